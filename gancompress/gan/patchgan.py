"""Discriminators of patches and of pixels (Isola et al., arXiv 1611.07004)."""

from torch import Tensor, nn

from gancompress.gan.resnet import NormName, norm_layer


class PatchDiscriminator(nn.Module):
    """4×4 convolutions that judge overlapping patches; three layers see 70×70 pixels.

    Args:
        channels: Channels of the picture, and of the condition where it is concatenated.
        width: Channels of the first convolution (``ndf``).
        layers: Number of strided convolutions.
        norm: ``instance``, ``batch`` or ``none``.
    """

    def __init__(
        self, channels: int = 3, width: int = 64, layers: int = 3, norm: NormName = "batch"
    ) -> None:
        super().__init__()
        make = norm_layer(norm)
        stack: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        before = width
        for depth in range(1, layers + 1):
            after = width * min(2**depth, 8)
            stride = 2 if depth < layers else 1
            stack += [
                nn.Conv2d(before, after, 4, stride=stride, padding=1),
                make(after),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            before = after
        stack.append(nn.Conv2d(before, 1, 4, padding=1))
        self.model = nn.Sequential(*stack)

    def forward(self, x: Tensor) -> Tensor:
        """Judge patches.

        Args:
            x: ``(N, channels, H, W)`` in [-1, 1], at least 32 pixels a side for three layers.

        Returns:
            One logit a patch, ``(N, 1, h, w)``.
        """
        result: Tensor = self.model(x)
        return result


class PixelDiscriminator(nn.Module):
    """1×1 convolutions that judge every pixel by itself (PatchGAN of 1×1 pixels).

    Args:
        channels: Channels of the picture, and of the condition where it is concatenated.
        width: Channels of the first convolution (``ndf``).
        norm: ``instance``, ``batch`` or ``none``.
    """

    def __init__(self, channels: int = 3, width: int = 64, norm: NormName = "batch") -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 1),
            norm_layer(norm)(2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Judge pixels.

        Args:
            x: ``(N, channels, H, W)`` in [-1, 1].

        Returns:
            One logit a pixel, ``(N, 1, H, W)``.
        """
        result: Tensor = self.net(x)
        return result
