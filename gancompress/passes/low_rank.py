"""A convolution between two pointwise ones: few channels meet the kernel (Tucker-2)."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    """Pointwise, k×k and pointwise again, in the layout of `kernels_of`.

    Args:
        reduce: ``(groups, inner inputs, in / groups)``.
        core: ``(groups, inner outputs, inner inputs, positions)``.
        expand: ``(groups, out / groups, inner outputs)``.
    """

    reduce: Tensor
    core: Tensor
    expand: Tensor

    @property
    def ranks(self) -> tuple[int, int]:
        """Inner input and output channels of one group."""
        return self.core.shape[2], self.core.shape[1]

    def kernels(self) -> Tensor:
        """Return the dense kernels that the three together compute with."""
        inner = torch.einsum("gqpk,gpi->gqik", self.core, self.reduce)
        return torch.einsum("goq,gqik->goik", self.expand, inner)

    def weights(
        self, kernel: tuple[int, ...], *, transposed: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weights of the three as torch keeps them.

        Args:
            kernel: Sides of the kernel.
            transposed: Whether the middle one is transposed.
        """
        ones = (1,) * len(kernel)
        core = self.core.transpose(1, 2) if transposed else self.core
        return (
            self.reduce.flatten(0, 1).reshape(-1, self.reduce.shape[2], *ones).contiguous(),
            core.flatten(0, 1).reshape(-1, core.shape[2], *kernel).contiguous(),
            self.expand.flatten(0, 1).reshape(-1, self.expand.shape[2], *ones).contiguous(),
        )
