"""The discriminators' features as the metric."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.distill.loss import Comparison, DistillLoss, total
from gancompress.errors import ConfigError


class DiscriminatorFeatures(DistillLoss):
    """``mean_l L1(D_l(G(x)), D_l(T(x)))`` over the convolutions D_l of the discriminators.

    After discriminator-cooperated distillation (DCD, 2212.14169), which looks at student and
    teacher with the teacher's discriminator; here at the pictures alone. The discriminators are a
    frozen copy of those that the distillation begins with, so they are worth as much as those:
    fresh ones are random features.
    """

    name: ClassVar[str] = "discriminator-features"
    uses_discriminators: ClassVar[bool] = True

    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Compare the maps of ``(N, C, H, W)``.

        Raises:
            ConfigError: If there are no discriminators.
        """
        del trainable
        if seen.judge is None:
            raise ConfigError(
                f"'{self.name}' needs discriminators, and the objective has none",
                hint="leave it out of 'distill.losses', or give an objective with discriminators",
            )
        with torch.no_grad():
            goals = seen.judge(seen.batch, seen.goal)
        made = seen.judge(seen.batch, seen.output)
        terms = [F.l1_loss(a.float(), b.float()) for a, b in zip(made, goals, strict=True)]
        return total(terms, seen) / max(len(terms), 1)
