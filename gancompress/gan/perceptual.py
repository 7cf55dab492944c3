"""Perceptual losses: how far two pictures are apart to a network that knows real ones."""

import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal, Self, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.errors import CheckpointError
from gancompress.gan.lite0 import Lite0
from gancompress.store import load_weights

PerceptualName: TypeAlias = Literal["vgg", "lite0", "none"]

# Channels of VGG19's convolutions up to relu5_1; None halves the resolution.
_VGG19: Final = (64, 64, None, 128, 128, None, *[256] * 4, None, *[512] * 4, None, 512)


class PerceptualLoss(nn.Module, ABC):
    """``Σ wᵢ · L1(φᵢ(x), φᵢ(y))`` over some layers φᵢ of a frozen network (arXiv 1603.08155).

    Attributes:
        weights: wᵢ, from the layer nearest to the picture on.
    """

    weights: ClassVar[Sequence[float]]

    @abstractmethod
    def features(self, pictures: Tensor) -> Iterator[Tensor]:
        """Yield one feature map a weight, ``(N, C, h, w)`` each.

        Args:
            pictures: ``(N, 3, H, W)`` in [-1, 1].
        """

    def forward(self, pictures: Tensor, target: Tensor) -> Tensor:
        """Compare pictures with others.

        Args:
            pictures: ``(N, 3, H, W)`` in [-1, 1]; the gradient goes here.
            target: The same shape.

        Returns:
            A scalar, 0 for equal pictures.
        """
        with torch.no_grad():
            goals = tuple(self.features(target))
        made = self.features(pictures)
        terms = [
            weight * F.l1_loss(one.float(), goal.float())
            for weight, one, goal in zip(self.weights, made, goals, strict=True)
        ]
        return torch.stack(terms).sum()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: the network is fixed."""
        del mode
        return super().train(mode=False)

    def follow(self, pictures: Tensor) -> Self:
        """Move the network to the device of some pictures.

        Args:
            pictures: Any tensor.
        """
        if next(self.parameters()).device != pictures.device:
            self.to(pictures.device)
        return self


class Lite0Perceptual(PerceptualLoss):
    """The loss on blocks of EfficientNet-Lite0, whose weights a pip package carries.

    Compared are the last blocks at 1/2, 1/4, 1/8 and 1/16 of the resolution.

    Raises:
        MissingExtraError: If the package with the weights is not installed.
        CheckpointError: If the weights are missing or damaged.
    """

    blocks: ClassVar[tuple[int, ...]] = (0, 2, 4, 9)
    # Maps are about 8, 8, 6 and 4 in size; with these weights a deeper block counts twice as much.
    weights: ClassVar[Sequence[float]] = (1 / 64, 1 / 32, 1 / 12, 1 / 4)

    def __init__(self) -> None:
        super().__init__()
        self.network = Lite0(block=self.blocks[-1]).eval()

    def features(self, pictures: Tensor) -> Iterator[Tensor]:
        """Yield the maps of the blocks."""
        for block, maps in enumerate(self.network.maps(pictures)):
            if block in self.blocks:
                yield maps


class VggPerceptual(PerceptualLoss):
    """The loss of pix2pixHD (arXiv 1711.11585): VGG19's relu1_1, 2_1, 3_1, 4_1 and 5_1.

    As published, pictures enter in [-1, 1] and are not shifted to ImageNet's mean.

    Args:
        weights: State dict of torchvision's VGG19, ``.safetensors`` or what `torch.save` wrote;
            None lets torchvision download it (548 MB) into its cache.

    Raises:
        CheckpointError: If the weights cannot be read or downloaded, or are of another network.
    """

    weights: ClassVar[Sequence[float]] = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        self.layers = _vgg19()
        state = _download_vgg19() if weights is None else load_weights(weights)
        source = "torchvision's VGG19" if weights is None else str(weights)
        _load_vgg19(self.layers, state, source)
        self.requires_grad_(requires_grad=False).eval()

    def features(self, pictures: Tensor) -> Iterator[Tensor]:
        """Yield the maps after the first activation of each resolution."""
        x, first = pictures, True
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                first = True
            elif isinstance(layer, nn.ReLU) and first:
                first = False
                yield x


def perceptual_loss(name: PerceptualName, weights: Path | None = None) -> PerceptualLoss | None:
    """Build a perceptual loss by name.

    Args:
        name: ``vgg``, ``lite0``, or ``none``.
        weights: Of VGG19; None downloads them.

    Returns:
        The loss; None for ``none``.

    Raises:
        MissingExtraError: If ``lite0``'s package is not installed.
        CheckpointError: If weights cannot be read.
    """
    if name == "none":
        return None
    return VggPerceptual(weights) if name == "vgg" else Lite0Perceptual()


def _vgg19() -> nn.Sequential:
    """Build VGG19 (arXiv 1409.1556) up to relu5_1; indices are those of torchvision's keys."""
    layers: list[nn.Module] = []
    channels = 3
    for width in _VGG19:
        if width is None:
            layers.append(nn.MaxPool2d(2, 2))
        else:
            # Not in place: the maps that are compared must not change afterwards.
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers)


def _load_vgg19(layers: nn.Sequential, state: dict[str, Tensor], source: str) -> None:
    wanted = layers.state_dict()
    found = {key: state[f"features.{key}"] for key in wanted if f"features.{key}" in state}
    try:
        layers.load_state_dict(found)
    except RuntimeError:
        raise CheckpointError(
            f"'{source}' holds no weights of VGG19",
            hint="give torchvision's vgg19-dcbb9e9d.pth",
        ) from None


def _download_vgg19() -> dict[str, Tensor]:
    from torchvision.models import VGG19_Weights  # noqa: PLC0415 - slow, and needed here alone

    try:
        state: dict[str, Tensor] = VGG19_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"torchvision's VGG19 cannot be downloaded: {error}",
            hint="download vgg19-dcbb9e9d.pth elsewhere and give its path, or take the perceptual "
            "loss 'lite0'",
        ) from None
    return state
