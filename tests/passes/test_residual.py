import torch
from torch import Tensor, nn

from gancompress.gan import ResNetGenerator
from gancompress.graph import trace
from gancompress.passes import residual_convolutions


def test_the_residual_blocks_of_a_resnet_generator() -> None:
    traced = trace(ResNetGenerator(width=4, blocks=3).eval(), (torch.zeros(1, 3, 16, 16),))
    expected = tuple(f"model.{k}.conv_block.{j}" for k in (10, 11, 12) for j in (1, 5))
    assert residual_convolutions(traced) == expected


class Mixed(nn.Module):
    """Every kind of convolution inside an addition, of which one only is dense k×k, stride 1."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.dense = nn.Conv2d(4, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.point = nn.Conv2d(4, 4, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y = self.point(self.grouped(self.dense(x)))
        y = y * self.gate(y)
        return torch.add(y, x) + 1


class DownAndUp(nn.Module):
    """A skip around a whole encoder and decoder is no residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.down = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.up(self.down(self.first(x)))
        return result


class Twice(nn.Module):
    """No operand of the addition leads to the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 3, padding=1)
        self.b = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.a(x) + self.b(x)
        return result


def test_only_dense_stride_one_convolutions_count() -> None:
    assert residual_convolutions(trace(Mixed(), (torch.zeros(1, 3, 8, 8),))) == ("dense",)


def test_other_additions_are_no_residual_blocks() -> None:
    assert residual_convolutions(trace(DownAndUp(), (torch.zeros(1, 3, 8, 8),))) == ()
    assert residual_convolutions(trace(Twice(), (torch.zeros(1, 3, 8, 8),))) == ()
