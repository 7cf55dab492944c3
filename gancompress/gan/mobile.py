"""The ResNet generator whose residual blocks are separable (GAN Compression, arXiv 2003.08936)."""

from collections.abc import Callable

from torch import Tensor, nn

from gancompress.gan.resnet import NormName, norm_layer
from gancompress.gan.widths import ResNetWidths


class SeparableConvolution(nn.Module):
    """Depthwise 3×3, an instance norm without weights, pointwise; a bias in both halves.

    Args:
        channels_in: Channels that come in.
        channels_out: Channels that go out.
        padding: Zeros at each border, in pixels.
    """

    def __init__(self, channels_in: int, channels_out: int, *, padding: int = 0) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, padding=padding, groups=channels_in)
        # An instance norm whatever norm the rest of the net has, as published.
        self.norm = norm_layer("instance")(channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, channels_in, H, W)`` to ``(N, channels_out, H - 2 + 2p, W - 2 + 2p)``."""
        result: Tensor = self.pointwise(self.norm(self.depthwise(x)))
        return result


class SeparableBlock(nn.Module):
    """Two separable convolutions with reflected borders, added to their input.

    Args:
        channels: Width of the residual stream.
        inside: Channels between the two convolutions.
        norm: Constructor of the norm after each of them.
    """

    def __init__(self, channels: int, inside: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            SeparableConvolution(channels, inside),
            norm(inside),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            SeparableConvolution(inside, channels),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        result: Tensor = x + self.conv_block(x)
        return result


class MobileResNetGenerator(nn.Module):
    """A `ResNetGenerator` of separable residual blocks, each layer of its own width.

    At the full widths of 64 and 9 blocks it has 1,987,075 parameters.

    Args:
        widths: Channels of every layer, such as of `ResNetWidths.full` or `ResNetWidths.parse`.
        channels_in: Channels of the input picture.
        channels_out: Channels of the output picture.
        norm: ``instance``, ``batch`` or ``none``.
    """

    def __init__(
        self,
        widths: ResNetWidths,
        channels_in: int = 3,
        channels_out: int = 3,
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        make = norm_layer(norm)
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(channels_in, widths.first, 7),
            make(widths.first),
            nn.ReLU(inplace=True),
        ]
        for before, after in ((widths.first, widths.down), (widths.down, widths.stream)):
            down = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers += [down, make(after), nn.ReLU(inplace=True)]
        layers += [SeparableBlock(widths.stream, inside, make) for inside in widths.inside]
        for before, after in ((widths.stream, widths.up), (widths.up, widths.last)):
            up = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
            layers += [up, make(after), nn.ReLU(inplace=True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(widths.last, channels_out, 7), nn.Tanh()]
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
