import torch
from torch import Tensor, nn

from gancompress.gan import ResNetGenerator
from gancompress.graph import trace
from gancompress.passes import residual_convolutions
from gancompress_gaugan.generator import SpadeGenerator


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


def test_the_residual_blocks_of_a_spade_generator() -> None:
    net = SpadeGenerator(5, 4, hidden=4, widest=2, spectral=False).eval()
    found = residual_convolutions(trace(net, (torch.zeros(1, 5, 32, 32),)))
    names = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
    assert net.up_3.learned_shortcut
    assert found == tuple(f"{name}.conv_{i}" for name in names for i in (0, 1))


class Projected(nn.Module):
    """The shortcut is a convolution: ``s(x) + f(x)``."""

    def __init__(self, kernel: int = 1, stride: int = 1, *, swapped: bool = False) -> None:
        super().__init__()
        self.swapped = swapped
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.shortcut = nn.Sequential(
            nn.Conv2d(4, 6, kernel, stride, kernel // 2), nn.BatchNorm2d(6)
        )
        self.first = nn.Conv2d(4, 6, 3, stride, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        sides = (self.shortcut(x), self.second(self.first(x).relu()))
        result: Tensor = torch.add(*(reversed(sides) if self.swapped else sides))
        return result


def convolutions(net: nn.Module) -> tuple[str, ...]:
    return residual_convolutions(trace(net.eval(), (torch.zeros(1, 3, 8, 8),)))


def test_a_pointwise_shortcut_is_one() -> None:
    assert convolutions(Projected()) == ("first", "second")
    assert convolutions(Projected(swapped=True)) == ("first", "second")
    # At another resolution only what works at that of the sum can be told from an encoder.
    assert convolutions(Projected(stride=2)) == ("second",)
    assert convolutions(Projected(kernel=3)) == ()


class Modulated(nn.Module):
    """A scale and a shift from the features themselves are no shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.InstanceNorm2d(4)
        self.scale = nn.Conv2d(4, 4, 3, padding=1)
        self.shift = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        result: Tensor = self.norm(x) * (1 + self.scale(x)) + self.shift(x)
        return result


class Sized(nn.Module):
    """A condition that is brought to the size of the features, asked for in several ways."""

    def __init__(self, ask: str) -> None:
        super().__init__()
        self.ask = ask
        self.before = nn.Conv2d(3, 4, 3, padding=1)
        self.inside = nn.Conv2d(4, 4, 3, padding=1)
        self.told = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        sizes = {"shape": y.shape[2:], "size": y.size()[2:], "len": y.shape[2 : len(y.shape)]}
        told = self.told(nn.functional.interpolate(x, size=sizes[self.ask]))
        result: Tensor = y + self.inside(y) * told
        return result


def test_what_gives_only_its_size_is_not_part_of_a_block() -> None:
    assert convolutions(Modulated()) == ()
    for ask in ("shape", "size", "len"):
        assert convolutions(Sized(ask)) == ("inside",)


class Conditioned(nn.Module):
    """Picture and condition come in one dict, and have no tensor in common."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.told = nn.Conv2d(2, 4, 1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        result: Tensor = self.first(batch["picture"]) + self.told(batch["condition"])
        return result


def test_what_comes_in_together_is_no_shortcut() -> None:
    batch = {"picture": torch.zeros(1, 3, 8, 8), "condition": torch.zeros(1, 2, 8, 8)}
    assert residual_convolutions(trace(Conditioned().eval(), (batch,))) == ()
