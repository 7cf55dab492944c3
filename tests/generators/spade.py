"""Spatially-adaptive normalisation: SPADE (Park et al. 2019)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as hooked_spectral_norm

Wrap = Callable[[nn.Conv2d], nn.Module]
LABELS = 6


class Modulation(nn.Module):
    """A plain norm whose scale and shift are computed from the label map."""

    def __init__(self, channels: int, hidden: int = 8, labels: int = LABELS) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        normalised = self.norm(x)
        labels = F.interpolate(labels, size=x.size()[2:], mode="nearest")
        hidden = self.shared(labels)
        result: Tensor = normalised * (1 + self.gamma(hidden)) + self.beta(hidden)
        return result


class Block(nn.Module):
    """Residual block; the shortcut is learned where the number of channels changes."""

    def __init__(
        self, inputs: int, outputs: int, wrap: Wrap, hidden: int = 8, labels: int = LABELS
    ) -> None:
        super().__init__()
        self.learned = inputs != outputs
        middle = min(inputs, outputs)
        self.conv_0 = wrap(nn.Conv2d(inputs, middle, 3, padding=1))
        self.conv_1 = wrap(nn.Conv2d(middle, outputs, 3, padding=1))
        self.norm_0 = Modulation(inputs, hidden, labels)
        self.norm_1 = Modulation(middle, hidden, labels)
        if self.learned:
            self.conv_s = wrap(nn.Conv2d(inputs, outputs, 1, bias=False))
            self.norm_s = Modulation(inputs, hidden, labels)

    def shortcut(self, x: Tensor, labels: Tensor) -> Tensor:
        result: Tensor = self.conv_s(self.norm_s(x, labels)) if self.learned else x
        return result

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        y = self.conv_0(F.leaky_relu(self.norm_0(x, labels), 2e-1))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, labels), 2e-1))
        result: Tensor = self.shortcut(x, labels) + y
        return result


class Spade(nn.Module):
    """Starts from a small label map, or from z, and grows twice."""

    def __init__(self, wrap: Wrap, *, latent: int = 0, width: int = 8) -> None:
        super().__init__()
        self.latent, self.width = latent, width
        self.start = 4
        if latent:
            self.fc: nn.Module = nn.Linear(latent, 4 * width * self.start * self.start)
        else:
            self.fc = nn.Conv2d(LABELS, 4 * width, 3, padding=1)
        self.head = Block(4 * width, 4 * width, wrap)
        self.up_0 = Block(4 * width, 2 * width, wrap)
        self.up_1 = Block(2 * width, width, wrap)
        self.conv_img = nn.Conv2d(width, 3, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, labels: Tensor, z: Tensor | None = None) -> Tensor:
        if self.latent:
            if z is None:
                z = torch.randn(labels.size(0), self.latent, device=labels.device)
            x = self.fc(z).view(-1, 4 * self.width, self.start, self.start)
        else:
            size = (labels.size(2) // 4, labels.size(3) // 4)
            x = self.fc(F.interpolate(labels, size=size))
        x = self.up(self.head(x, labels))
        x = self.up(self.up_0(x, labels))
        return torch.tanh(self.conv_img(F.leaky_relu(self.up_1(x, labels), 2e-1)))


def _labels() -> Tensor:
    classes = torch.randint(LABELS, (1, 16, 16))
    return F.one_hot(classes, LABELS).permute(0, 3, 1, 2).float().contiguous()


def _plain(conv: nn.Conv2d) -> nn.Module:
    return conv


def _hooked(conv: nn.Conv2d) -> nn.Module:
    layer: nn.Module = hooked_spectral_norm(conv)
    return layer


def _parametrised(conv: nn.Conv2d) -> nn.Module:
    layer: nn.Module = parametrizations.spectral_norm(conv)
    return layer


CASES = (
    Case("spade", lambda: Spade(_plain), args=lambda: (_labels(),), elastic=1.0, compile=True),
    Case(
        "spade, spectral norm by hooks",
        lambda: Spade(_hooked),
        args=lambda: (_labels(),),
        elastic=1.0,
    ),
    Case(
        "spade, spectral norm by parametrizations",
        lambda: Spade(_parametrised),
        args=lambda: (_labels(),),
        elastic=1.0,
    ),
    Case(
        "spade, z input",
        lambda: Spade(_hooked, latent=5),
        args=lambda: (_labels(),),
        kwargs=lambda: {"z": torch.randn(1, 5)},
        elastic=1.0,
    ),
    Case(
        "spade, z drawn inside",
        lambda: Spade(_hooked, latent=5),
        args=lambda: (_labels(),),
        elastic=1.0,
    ),
)
