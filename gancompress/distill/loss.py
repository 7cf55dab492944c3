"""What a distillation loss is, for the core's own and for plugins that bring one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from gancompress.gan import Batch

Features = Mapping[str, Tensor]
Judge = Callable[[Batch, Tensor], list[Tensor]]


@dataclass(frozen=True)
class Channels:
    """Channels at a distillation point, both at full width.

    Args:
        student: Of the student.
        teacher: Of the teacher.
    """

    student: int
    teacher: int


@dataclass(frozen=True)
class Comparison:
    """What student and teacher made of one batch.

    Args:
        batch: The batch.
        output: The student's picture ``(N, C, H, W)`` in [-1, 1], with gradient.
        goal: The picture that it learns from, without: the teacher's, or the widest subnet's.
        student: The student's feature maps by distillation point, ``(N, c, h, w)``: the active
            channels alone, with gradient.
        teacher: The teacher's, ``(N, C, h, w)``, without.
        positions: Which of the student's channels at full width the active ones are, by point.
        judge: Returns the feature maps of the discriminators for pictures; None where there are
            none, or no loss asks for them.
    """

    batch: Batch
    output: Tensor
    goal: Tensor
    student: Features = field(default_factory=dict)
    teacher: Features = field(default_factory=dict)
    positions: Features = field(default_factory=dict)
    judge: Judge | None = None


class DistillLoss(ABC):
    """A loss that the student pays for being another than its teacher.

    `FeatureLoss` and `PictureLoss` are shorter to write where one pair of tensors is compared at
    a time.

    Attributes:
        name: Its key under ``[distill.losses]``.
        uses_features: Whether it reads feature maps; where no loss does, none are kept.
        uses_discriminators: Whether it reads the discriminators' feature maps. They are a frozen
            copy of those that the distillation begins with.
    """

    name: ClassVar[str]
    uses_features: ClassVar[bool] = False
    uses_discriminators: ClassVar[bool] = False

    def check(self) -> None:  # noqa: B027 - most losses need nothing
        """Load what the loss needs, before any work; by default nothing.

        Raises:
            MissingExtraError: If an optional library is not installed.
        """

    def trainable(self, points: Mapping[str, Channels]) -> nn.ModuleDict:
        """Build what learns beside the student, such as adapters; by default nothing.

        Args:
            points: The channels at each distillation point.

        Returns:
            Modules by name; names hold no dots. They are in every checkpoint.
        """
        del points
        return nn.ModuleDict()

    def match(self, seen: Comparison, trainable: nn.ModuleDict) -> None:  # noqa: B027 - likewise
        """Give `trainable` a start from one batch at full width; by default nothing.

        Args:
            seen: What the untrained student and the teacher made of it.
            trainable: What `trainable` returned, changed in place.
        """

    @abstractmethod
    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Return a scalar whose gradient reaches the student, at batch size 1 too.

        Args:
            seen: What student and teacher made of a batch.
            trainable: What `trainable` returned.
        """


class FeatureLoss(DistillLoss):
    """A loss that is the sum over the distillation points of one comparison."""

    uses_features: ClassVar[bool] = True

    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Sum over the points."""
        del trainable
        with _whole_precision(seen):
            terms = [
                self.compare(made.float(), seen.teacher[point].float())
                for point, made in seen.student.items()
            ]
        return total(terms, seen)

    @abstractmethod
    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return a scalar whose gradient reaches the student.

        Args:
            student: ``(N, c, h, w)``, float32: as many channels as are active.
            teacher: ``(N, C, h, w)``, float32.
        """


class PictureLoss(DistillLoss):
    """A loss that compares the student's picture with the one that it learns from."""

    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Compare the pictures."""
        del trainable
        with _whole_precision(seen):
            return self.compare(seen.output.float(), seen.goal.float())

    @abstractmethod
    def compare(self, output: Tensor, goal: Tensor) -> Tensor:
        """Return a scalar whose gradient reaches the output.

        Args:
            output: The student's picture ``(N, C, H, W)`` in [-1, 1], float32.
            goal: The same of its teacher.
        """


def _whole_precision(seen: Comparison) -> torch.autocast:
    """Compute in float32 where the networks compute in half: small differences are the loss."""
    return torch.autocast(seen.output.device.type, enabled=False)


def total(terms: list[Tensor], seen: Comparison) -> Tensor:
    """Sum terms over the distillation points; 0 where there are none.

    Args:
        terms: Scalars.
        seen: Gives the device of a zero.
    """
    return torch.stack(terms).sum() if terms else seen.output.new_zeros(())
