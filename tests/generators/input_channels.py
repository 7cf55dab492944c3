"""Inputs of 1 channel (edges or grey to colour, Zhang et al. 2016), 4 (picture and mask, Pathak et
al. 2016) and 36 (one-hot labels and instance edges, Wang et al. 2018)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class Translator(nn.Module):
    """Encode, one residual block, decode."""

    def __init__(self, inputs: int, outputs: int = 3, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.down = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)
        self.body = nn.Conv2d(width * 2, width * 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(width * 2)
        self.up = nn.ConvTranspose2d(width * 2, width, 4, stride=2, padding=1)
        self.last = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.down(F.relu(self.first(x))))
        y = y + F.relu(self.norm(self.body(y)))
        return torch.tanh(self.last(F.relu(self.up(y))))


class Colours(Translator):
    """Lightness in, lightness and colours out."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], dim=1)


class Labels(Translator):
    """A map of class numbers in, made one-hot inside, with the edges of the objects."""

    def forward(self, labels: Tensor, instances: Tensor) -> Tensor:
        one_hot = F.one_hot(labels, 35).permute(0, 3, 1, 2).float()
        edges = torch.zeros_like(instances)
        edges[:, :, :, 1:] = (instances[:, :, :, 1:] != instances[:, :, :, :-1]).float()
        return super().forward(torch.cat([one_hot, edges], dim=1))


def pictures(channels: int) -> tuple[Tensor]:
    return (torch.randn(1, channels, 16, 16),)


def labels() -> tuple[Tensor, Tensor]:
    return torch.randint(0, 35, (1, 16, 16)), torch.randint(0, 5, (1, 1, 16, 16)).float()


CASES = (
    Case("input-1-channel", lambda: Colours(1, 2), lambda: pictures(1), elastic=0.99),
    Case("input-4-channels", lambda: Translator(4), lambda: pictures(4), elastic=0.99),
    Case("input-36-channels", lambda: Translator(36), lambda: pictures(36), elastic=0.99),
    Case("input-label-map", lambda: Labels(36), labels, elastic=0.99),
)
