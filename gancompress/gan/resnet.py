"""The ResNet generator of CycleGAN and pix2pix (Johnson et al., arXiv 1603.08155)."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

from torch import Tensor, nn

NormName: TypeAlias = Literal["instance", "batch", "none"]


def norm_layer(name: NormName) -> Callable[[int], nn.Module]:
    """Return the constructor of a norm over images, by channels.

    Args:
        name: ``instance`` (without weights, as published), ``batch``, or ``none``.

    Returns:
        A function from the number of channels to a module.
    """
    norms: dict[NormName, Callable[[int], nn.Module]] = {
        "instance": partial(nn.InstanceNorm2d, affine=False, track_running_stats=False),
        "batch": nn.BatchNorm2d,
        "none": lambda _channels: nn.Identity(),
    }
    return norms[name]


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with reflected borders, added to their input.

    Args:
        channels: Width of the residual stream.
        norm: Constructor of the norm.
        dropout: Whether half of the values between the two are dropped in training.
    """

    def __init__(
        self, channels: int, norm: Callable[[int], nn.Module], *, dropout: bool = False
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
            nn.ReLU(inplace=True),
            *([nn.Dropout(0.5)] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        result: Tensor = x + self.conv_block(x)
        return result


class ResNetGenerator(nn.Module):
    """7×7 convolution, two strided ones, residual blocks, two transposed ones, 7×7, tanh.

    With 9 blocks and width 64 it is the generator of CycleGAN (arXiv 1703.10593): 11,378,179
    parameters with instance norm.

    Args:
        channels_in: Channels of the input picture.
        channels_out: Channels of the output picture.
        width: Channels of the first convolution (``ngf``).
        blocks: Number of residual blocks, at a quarter of the resolution and 4 · width channels.
        norm: ``instance``, ``batch`` or ``none``.
        dropout: Whether residual blocks drop half of their values in training.
    """

    def __init__(
        self,
        channels_in: int = 3,
        channels_out: int = 3,
        width: int = 64,
        blocks: int = 9,
        norm: NormName = "instance",
        *,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        make = norm_layer(norm)
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(channels_in, width, 7),
            make(width),
            nn.ReLU(inplace=True),
        ]
        for channels in (width, 2 * width):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
                make(2 * channels),
                nn.ReLU(inplace=True),
            ]
        layers += [ResidualBlock(4 * width, make, dropout=dropout) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(
                    channels, channels // 2, 3, stride=2, padding=1, output_padding=1
                ),
                make(channels // 2),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels_out, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Translate pictures.

        Args:
            x: Pictures ``(N, channels_in, H, W)`` in [-1, 1]; H and W are multiples of 4.

        Returns:
            Pictures ``(N, channels_out, H, W)`` in [-1, 1].
        """
        result: Tensor = self.model(x)
        return result


def initialise_normal(module: nn.Module, std: float = 0.02) -> nn.Module:
    """Draw convolution and linear weights from N(0, std²) and zero their biases, as pix2pix does.

    Args:
        module: Changed in place.
        std: Standard deviation.

    Returns:
        The same module.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, std)
            nn.init.zeros_(layer.bias)
    return module
