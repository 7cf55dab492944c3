"""Shared weights: a layer called twice, tied weights, a weight that a function is given."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class Twice(nn.Module):
    """One convolution that is called twice, as in a recurrent refinement (DRCN, 2016)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.again = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.InstanceNorm2d(width)
        self.between = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.back = nn.Conv2d(2 * width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.again(self.first(x))))
        y = self.back(torch.relu(self.between(y)))
        result: Tensor = self.last(torch.relu(self.norm(self.again(y))))
        return result


class Tied(nn.Module):
    """Two convolutions with one weight, each with a bias of its own."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)
        self.b.weight = self.a.weight
        self.wide = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.last = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.b(torch.relu(self.a(self.first(x)))))
        result: Tensor = self.last(torch.relu(self.wide(y)))
        return result


class Functional(nn.Module):
    """An encoder whose first weight is used again, transposed, by a functional convolution."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.a = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.b = nn.Conv2d(2 * width, width, 3, padding=1)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(torch.relu(self.a(torch.relu(self.first(x)))))
        return F.conv_transpose2d(y, self.first.weight, self.bias, padding=1)


class Enhancer(nn.Module):
    """Predicts a correction that is added to the input image (DnCNN, 2017)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(2):
            conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x + self.body(x), -1, 1)


def _picture() -> tuple[Tensor]:
    return (torch.rand(1, 3, 16, 16) - 0.5,)


CASES = (
    Case("one convolution called twice", Twice, _picture, elastic=1.0),
    Case("tied weights", Tied, _picture, elastic=1.0),
    Case(
        "weight given to a function",
        Functional,
        _picture,
        elastic=1.0,
    ),
    Case("residual to the input image", Enhancer, _picture, elastic=1.0),
)
