"""A convolution between two pointwise ones: few channels meet the kernel (Tucker-2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gancompress.passes.activations import Moments
from gancompress.passes.refit import solve_near


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


@dataclass(frozen=True)
class Ladder:
    """All low-rank convolutions with one number of inner input channels.

    Args:
        reduce: ``(groups, inner inputs, in / groups)``, orthonormal rows.
        core: ``(groups, out / groups, inner inputs, positions)``, before it is projected.
        directions: ``(groups, out / groups, out / groups)``: orthonormal columns of output
            channels, the most important one first.
        lost: Squared error, summed over groups, by the number of inner output channels from 0.
    """

    reduce: Tensor
    core: Tensor
    directions: Tensor
    lost: Tensor

    def rung(self, outputs: int) -> LowRank:
        """Return the convolution with so many inner output channels in a group.

        Args:
            outputs: 1 to out / groups.
        """
        expand = self.directions[..., :outputs]
        core = torch.einsum("goq,gopk->gqpk", expand, self.core)
        return LowRank(self.reduce, core, expand)


def input_directions(kernels: Tensor) -> Tensor:
    """Return directions of the input channels, the one that matters most first.

    They are the left singular vectors of the kernels unfolded along the input channels, as in the
    higher-order singular value decomposition (De Lathauwer et al., 2000).

    Args:
        kernels: In the layout of `kernels_of`.

    Returns:
        ``(groups, in / groups, in / groups)``, orthonormal rows.
    """
    unfolded = kernels.transpose(1, 2).flatten(2)
    left: Tensor = torch.linalg.svd(unfolded @ unfolded.transpose(1, 2))[0]
    return left.transpose(1, 2)


def ladder(
    kernels: Tensor, moments: Moments | None, directions: Tensor, inputs: int, ridge: float
) -> Ladder:
    """Fit low-rank convolutions of so many inner input channels, for all numbers of output ones.

    With the input projected, the kernels are fitted by least squares, and the directions of the
    output are the principal components of what they give (reduced-rank regression, Izenman 1975).
    By the weights alone this is the sequentially truncated higher-order SVD.

    Args:
        kernels: In the layout of `kernels_of`.
        moments: Of what reaches the layer; None goes by the weights alone.
        directions: As `input_directions` gives them.
        inputs: Inner input channels of one group.
        ridge: How much the fit holds on to the projected kernels.
    """
    reduce = directions[:, :inputs]
    start = torch.einsum("goik,gpi->gopk", kernels, reduce).flatten(2)
    if moments is None:
        core, spread = start, start @ start.transpose(1, 2)
        shared, whole = spread, float(kernels.square().sum())
    else:
        size = start.shape[2]
        half = torch.einsum("gpi,gikjl->gpkjl", reduce, moments.second)
        system = torch.einsum("gpkjl,gqj->gpkql", half, reduce).reshape(-1, size, size)
        right = torch.einsum("goik,gpi->gopk", moments.applied(kernels), reduce).flatten(2)
        core = solve_near(system, right, start, ridge)
        spread = core @ system @ core.transpose(1, 2)
        shared, whole = core @ right.transpose(1, 2), moments.energy(kernels)
    found = torch.linalg.eigh((spread + spread.transpose(1, 2)) / 2)[1].flip(-1)
    # What an output direction takes off the squared error: twice the product with the original's
    # output, less its own square.
    gained = torch.einsum("goq,gop,gpq->q", found, 2 * shared - spread, found).cumsum(0)
    lost = (whole - torch.cat([torch.zeros_like(gained[:1]), gained])).clamp(min=0)
    shape = (*kernels.shape[:2], inputs, kernels.shape[3])
    return Ladder(reduce, core.reshape(shape), found, lost)
