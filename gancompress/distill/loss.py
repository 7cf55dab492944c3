"""What a distillation loss is, for plugins that bring one."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class DistillLoss(ABC):
    """Compares a student's feature map with the teacher's.

    The loop of this version trains with the adapters' mean squared error alone; losses that
    plugins offer are collected and listed, and are for callers that combine their own terms.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return a scalar whose gradient reaches the student.

        Args:
            student: ``(N, c, H, W)``, with gradient.
            teacher: ``(N, C, H, W)``, without.
        """
