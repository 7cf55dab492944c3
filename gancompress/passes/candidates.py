"""What may take a convolution's place: weights, bias, error and cost."""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from gancompress.passes.activations import Moments, Patches
from gancompress.passes.convolutions import Convolution, kernels_of
from gancompress.passes.low_rank import LowRank, input_directions, ladder
from gancompress.passes.refit import refit
from gancompress.passes.separable import Separable, separate_kernels


@dataclass(frozen=True, order=True)
class Work:
    """What a layer costs in one run on the example inputs.

    Args:
        macs: Multiply-accumulates; a transposed convolution's by input positions.
        params: Parameters.
    """

    macs: int
    params: int


@dataclass(frozen=True)
class Subject:
    """One convolution, and what is known of the data that reach it.

    Args:
        layer: The convolution.
        kernels: Its weight in the layout of `kernels_of`.
        moments: Of what reaches it; None judges by the weights alone, as if all inputs were
            independent and alike.
        places: Input and output positions that it works on in one run.
    """

    layer: Convolution
    kernels: Tensor
    moments: Moments | None
    places: tuple[int, int]

    @classmethod
    def of(cls, layer: Convolution, patches: Patches | None, places: tuple[int, int]) -> "Subject":
        """Gather what is known of a convolution.

        Args:
            layer: The convolution.
            patches: What reaches it, where that is known.
            places: Input and output positions that it works on in one run.
        """
        centred = layer.bias is not None
        moments = None if patches is None else patches.moments(layer.groups, centred=centred)
        return cls(layer, kernels_of(layer), moments, places)

    def error(self, kernels: Tensor) -> float:
        """Return the error of other kernels, relative to the original's: 0 is exact, 1 is nothing.

        On activations it is the root mean square of the difference between the outputs over that
        of the output itself, about its mean where there is a bias; else the same of the weights.

        Args:
            kernels: In the layout of `kernels_of`.
        """
        whole = self.energy(self.kernels)
        return sqrt(max(self.energy(self.kernels - kernels), 0.0) / whole) if whole > 0 else 0.0

    def energy(self, kernels: Tensor) -> float:
        """Return the mean squared output of kernels, or their squared norm without activations.

        Args:
            kernels: In the layout of `kernels_of`.
        """
        if self.moments is None:
            return float(kernels.square().sum())
        return self.moments.energy(kernels)

    def bias(self, kernels: Tensor) -> Tensor | None:
        """Return the bias with which other kernels have the same mean output; None without one.

        Args:
            kernels: In the layout of `kernels_of`.
        """
        bias = self.layer.bias
        if bias is None or self.moments is None:
            return None if bias is None else bias.detach()
        lost = torch.einsum("goik,gik->go", self.kernels - kernels, self.moments.mean)
        return bias.detach() + lost.flatten().to(bias.dtype)

    @property
    def work(self) -> Work:
        """What the convolution itself costs."""
        weights = self.kernels.numel()
        places = self.places[0 if self.layer.transposed else 1]
        return Work(places * weights, weights + self._biases())

    def work_of(self, factors: "Separable | LowRank") -> Work:
        """Return what a decomposition costs.

        Each weight counts once for each position that its part works on. Of a separable
        convolution those are the output positions, for both halves; the input positions if it is
        transposed. Of a low-rank one they are the input positions for the first part, the output
        positions for the last, and what the original has for the middle one.

        Args:
            factors: The decomposition.
        """
        inner = self.places[0 if self.layer.transposed else 1]
        if isinstance(factors, Separable):
            sizes = [(inner, factors.pointwise.numel()), (inner, factors.depthwise.numel())]
        else:
            ends = (
                (self.places[0], factors.reduce.numel()),
                (self.places[1], factors.expand.numel()),
            )
            sizes = [*ends, (inner, factors.core.numel())]
        macs = sum(places * weights for places, weights in sizes)
        return Work(macs, sum(weights for _, weights in sizes) + self._biases())

    def _biases(self) -> int:
        return 0 if self.layer.bias is None else self.layer.out_channels


@dataclass(frozen=True)
class Candidate:
    """A decomposition of one convolution.

    Args:
        factors: Its weights.
        bias: Its bias; None where the convolution has none.
        error: Relative error, as `Subject.error` has it.
        work: What it costs.
    """

    factors: Separable | LowRank
    bias: Tensor | None
    error: float
    work: Work

    @classmethod
    def of(cls, subject: Subject, factors: Separable | LowRank) -> "Candidate":
        """Judge a decomposition.

        Args:
            subject: The convolution.
            factors: The decomposition.
        """
        kernels = factors.kernels()
        return cls(factors, subject.bias(kernels), subject.error(kernels), subject.work_of(factors))


def separable_candidate(subject: Subject, multiplier: int, ridge: float) -> Candidate:
    """Return the separable convolution with so many depthwise filters for each channel.

    Args:
        subject: The convolution.
        multiplier: 1 to `largest_multiplier`.
        ridge: How much a fit to activations holds on to the approximation of the weights.
    """
    transposed = bool(subject.layer.transposed)
    return fitted(
        subject, separate_kernels(subject.kernels, multiplier, transposed=transposed), ridge
    )


def fitted(subject: Subject, start: Separable, ridge: float) -> Candidate:
    """Return a separable convolution, fitted to the activations where there are any.

    Args:
        subject: The convolution.
        start: What to start from.
        ridge: How much the fit holds on to it.
    """
    if subject.moments is None:
        return Candidate.of(subject, start)
    return Candidate.of(subject, refit(start, subject.kernels, subject.moments, ridge=ridge))


def low_rank_candidate(subject: Subject, ranks: tuple[int, int], ridge: float) -> Candidate:
    """Return the low-rank convolution of so many inner channels.

    Args:
        subject: The convolution.
        ranks: Inner input and output channels of one group.
        ridge: How much a fit to activations holds on to the approximation of the weights.
    """
    directions = input_directions(subject.kernels)
    inputs, outputs = ranks
    start = ladder(subject.kernels, None, directions, inputs, ridge).rung(outputs)
    found = Candidate.of(subject, start)
    if subject.moments is None:
        return found
    fitted = ladder(subject.kernels, subject.moments, directions, inputs, ridge).rung(outputs)
    # The penalty holds on to kernels that are not projected yet, so this has to be looked at.
    return min(Candidate.of(subject, fitted), found, key=lambda one: one.error)
