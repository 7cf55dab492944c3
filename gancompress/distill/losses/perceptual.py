"""Distances to the teacher's picture in the eyes of a network that knows real ones."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gancompress.distill.loss import PictureLoss
from gancompress.gan import Lite0Perceptual


class _Lite0Loss(PictureLoss):
    """Compares four feature maps of EfficientNet-Lite0, whose weights a pip package carries."""

    def check(self) -> None:
        """Load the network.

        Raises:
            MissingExtraError: If the package with the weights is not installed.
        """
        _ = self.network

    @cached_property
    def network(self) -> Lite0Perceptual:
        """The frozen network."""
        return Lite0Perceptual()

    def compare(self, output: Tensor, goal: Tensor) -> Tensor:
        """Compare ``(N, 3, H, W)``; pictures of other channels are made grey or cut."""
        network = self.network.follow(output)
        with torch.no_grad():
            goals = tuple(network.features(_coloured(goal)))
        made = tuple(network.features(_coloured(output)))
        return self.distance(made, goals, network.weights)

    @abstractmethod
    def distance(
        self, made: Sequence[Tensor], goals: Sequence[Tensor], weights: Sequence[float]
    ) -> Tensor:
        """Compare feature maps ``(N, C, h, w)``, the nearest to the picture first."""


class Perceptual(_Lite0Loss):
    """``Σ w_i · L1(φ_i(G(x)), φ_i(T(x)))`` (arXiv 1603.08155; OMGD, 2108.06908).

    The φ_i are blocks of EfficientNet-Lite0 at 1/2 to 1/16 of the resolution, with the weights of
    `Lite0Perceptual`; the papers take VGG16. Needs the extra ``lite0``.
    """

    name: ClassVar[str] = "perceptual"

    def distance(
        self, made: Sequence[Tensor], goals: Sequence[Tensor], weights: Sequence[float]
    ) -> Tensor:
        """Sum the weighted absolute differences."""
        terms = [w * F.l1_loss(a, b) for w, a, b in zip(weights, made, goals, strict=True)]
        return torch.stack(terms).sum()


class Style(_Lite0Loss):
    """``Σ w_i · L1(Gram φ_i(G(x)), Gram φ_i(T(x)))``, Gram = φφᵀ/(C·h·w) (arXiv 1603.08155; OMGD).

    A Gram matrix ``(N, C, C)`` says which features occur together and not where: textures. The
    φ_i and w_i are those of ``perceptual``. Needs the extra ``lite0``.
    """

    name: ClassVar[str] = "style"

    def distance(
        self, made: Sequence[Tensor], goals: Sequence[Tensor], weights: Sequence[float]
    ) -> Tensor:
        """Sum the weighted absolute differences of the Gram matrices."""
        terms = [
            w * F.l1_loss(_gram(a), _gram(b)) for w, a, b in zip(weights, made, goals, strict=True)
        ]
        return torch.stack(terms).sum()


def _gram(maps: Tensor) -> Tensor:
    rows = maps.flatten(2)
    return rows @ rows.transpose(1, 2) / (maps.shape[1] * rows.shape[2])


def _coloured(pictures: Tensor) -> Tensor:
    """Give pictures three channels: one is repeated, a fourth is transparency and left out."""
    if pictures.shape[1] < 3:
        return pictures[:, :1].expand(-1, 3, -1, -1)
    return pictures[:, :3]
