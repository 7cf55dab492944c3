"""1×1 convolutions that carry a narrow student's features to the teacher's width."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.distill.loss import Channels, Comparison, DistillLoss

RIDGE = 1e-3


class Adapter(nn.Module):
    """A 1×1 convolution whose input side follows the student's active channels.

    Args:
        student: Channels of the student at full width.
        teacher: Channels of the teacher.
    """

    def __init__(self, student: int, teacher: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(teacher, student, 1, 1))
        self.bias = nn.Parameter(torch.zeros(teacher))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, features: Tensor, positions: Tensor) -> Tensor:
        """Map ``(N, c, H, W)``, the channels at `positions`, to ``(N, C_teacher, H, W)``."""
        return F.conv2d(features, self.weight[:, positions], self.bias)


class AdaptedLoss(DistillLoss):
    """A feature loss that needs the student in the teacher's channels: it trains adapters."""

    uses_features: ClassVar[bool] = True

    def trainable(self, points: Mapping[str, Channels]) -> nn.ModuleDict:
        """Build an adapter for each point."""
        return nn.ModuleDict(
            {adapter_key(point): Adapter(c.student, c.teacher) for point, c in points.items()}
        )

    def match(self, seen: Comparison, trainable: nn.ModuleDict) -> None:
        """Start every adapter from the least-squares map."""
        for point, features in seen.student.items():
            adapter = trainable.get_submodule(adapter_key(point))
            if isinstance(adapter, Adapter):
                match(adapter, features, seen.teacher[point])

    def adapted(
        self, seen: Comparison, trainable: nn.ModuleDict
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the student's features in the teacher's channels, and the teacher's.

        Args:
            seen: What student and teacher made of a batch.
            trainable: The adapters.
        """
        for point, features in seen.student.items():
            made = trainable[adapter_key(point)](features, seen.positions[point])
            yield made.float(), seen.teacher[point].float()


@torch.no_grad()
def match(adapter: Adapter, student: Tensor, teacher: Tensor) -> None:
    """Set an adapter to the least-squares map from the student's features to the teacher's.

    For a student that is the teacher with its channels sorted, that is the sorting undone; so
    the feature loss of an untrained student measures what narrowing costs, not a random map.

    Args:
        adapter: Changed in place.
        student: Features at full width, ``(N, C_student, H, W)``.
        teacher: Features of the same pictures, ``(N, C_teacher, H, W)``.
    """
    x = student.double().transpose(0, 1).flatten(1)
    y = teacher.double().transpose(0, 1).flatten(1)
    x_mean, y_mean = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    x, y = x - x_mean, y - y_mean
    gram = x @ x.T
    # Relative to the mean variance, so that the ridge means the same at every scale.
    gram += RIDGE * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram)).to(gram)
    weight = torch.linalg.solve(gram, x @ y.T).T
    adapter.weight.copy_(weight[:, :, None, None])
    adapter.bias.copy_((y_mean - weight @ x_mean)[:, 0])


def adapter_key(point: str) -> str:
    """Return the name of a point's adapter; a module's name holds no dot."""
    return point.replace(".", "-")
