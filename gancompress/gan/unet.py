"""The U-Net generator of image-to-image translation (Isola et al., arXiv 1611.07004)."""

import torch
from torch import Tensor, nn

from gancompress.gan.resnet import NormName, norm_layer

_WIDEST = 8  # from the fourth halving on the channels stay at this many times the first
_WITH_DROPOUT = 5  # levels that never have dropout: the four outer ones and the innermost


class SkipLevel(nn.Module):
    """One level of a U-Net: down, the level below, up, and what came in beside what goes out.

    What comes in passes a leaky ReLU first, and the skip carries what that leaves: the published
    nets apply it in place, so their skips carry the same.

    Args:
        layers: The leaky ReLU, what leads down, the level below, and what leads up.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, 2 · C, H, W)``."""
        first, *others = self.model
        entered = result = first(x)
        for layer in others:
            result = layer(result)
        return torch.cat([entered, result], dim=1)


class _Outermost(nn.Module):
    """The level that has no skip: it turns pictures into channels, and channels into pictures."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x)
        return result


class UNetGenerator(nn.Module):
    """4×4 convolutions that halve the picture `depth` times, and as many that double it again.

    With depth 8, width 64 and batch norm it is the generator ``unet_256`` of the paper's code, with
    54,413,955 parameters; with depth 7 it is ``unet_128``.

    Args:
        channels_in: Channels of the input picture.
        channels_out: Channels of the output picture.
        width: Channels of the first convolution (``ngf``); the widest have eight times as many.
        depth: How often the picture is halved, from 5.
        norm: ``batch`` (as published, convolutions before it have no bias), ``instance``, ``none``.
        dropout: Whether the levels of full width below the fourth drop half of their channels'
            positions in training.

    Raises:
        ValueError: If the depth is below 5.
    """

    def __init__(
        self,
        channels_in: int = 3,
        channels_out: int = 3,
        width: int = 64,
        depth: int = 8,
        norm: NormName = "batch",
        *,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        if depth < _WITH_DROPOUT:
            raise ValueError(f"a U-Net halves its pictures 5 times or more, not {depth}")
        self.norm: NormName = norm
        widths = [width * min(2**level, _WIDEST) for level in range(depth)]
        below = SkipLevel(self._layers(widths[-2], widths[-1], None, dropout=False))
        for level in reversed(range(1, depth - 1)):
            drops = dropout and level >= _WITH_DROPOUT - 1
            below = SkipLevel(self._layers(widths[level - 1], widths[level], below, dropout=drops))
        self.model = _Outermost(
            [
                nn.Conv2d(channels_in, width, 4, stride=2, padding=1, bias=self._bias),
                below,
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(2 * width, channels_out, 4, stride=2, padding=1),
                nn.Tanh(),
            ]
        )

    @property
    def _bias(self) -> bool:
        return self.norm != "batch"

    def _layers(
        self, outer: int, inner: int, below: nn.Module | None, *, dropout: bool
    ) -> list[nn.Module]:
        make = norm_layer(self.norm)
        down: list[nn.Module] = [
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=self._bias),
        ]
        if below is not None:
            down += [make(inner), below]
        entering = inner if below is None else 2 * inner
        up: list[nn.Module] = [
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(entering, outer, 4, stride=2, padding=1, bias=self._bias),
            make(outer),
        ]
        return [*down, *up, *([nn.Dropout(0.5)] if dropout else [])]

    def forward(self, x: Tensor) -> Tensor:
        """Translate pictures.

        Args:
            x: Pictures ``(N, channels_in, H, W)`` in [-1, 1]; H and W are multiples of 2 to the
                power of the depth.

        Returns:
            Pictures ``(N, channels_out, H, W)`` in [-1, 1].
        """
        result: Tensor = self.model(x)
        return result
