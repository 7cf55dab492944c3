import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.distill import distillation_points
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace

PICTURE = (torch.zeros(1, 3, 32, 32),)


def modules_at(generator: nn.Module, count: int) -> list[str]:
    """Name each point by the outermost module that computes it."""
    traced = trace(generator, PICTURE)
    points = distillation_points(traced, count)
    nodes = {node.name: node for node in traced.module.graph.nodes}
    names = []
    for point in points:
        node = nodes[point]
        while node.op != "call_module":  # an addition belongs to the block before it
            node = node.all_input_nodes[-1]
        names.append(".".join(str(node.target).split(".")[:2]))
    return names


def test_on_the_resnet_they_are_the_references_four() -> None:
    # GAN Compression distils after the last down-sampling activation and blocks 3, 6 and 9.
    assert modules_at(ResNetGenerator(width=4), 4) == [
        "model.9",
        "model.12",
        "model.15",
        "model.18",
    ]


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, ["model.18"]), (99, None)])
def test_fewer_and_more_points(count: int, expected: list[str] | None) -> None:
    found = modules_at(ResNetGenerator(width=4), count)
    assert found == ([f"model.{i}" for i in range(9, 19)] if expected is None else expected)


def test_a_net_that_is_never_a_picture_has_no_points() -> None:
    class Flat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

    assert distillation_points(trace(Flat(), PICTURE), 4) == ()


class Conditioned(nn.Module):
    """Blocks that a second input scales, each at twice the resolution of the one before."""

    def __init__(self, blocks: int = 5) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(blocks))
        self.scales = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1)) for _ in range(blocks)
        )
        self.leave = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.enter(F.interpolate(x, size=(4, 4)))
        for block, scale in zip(self.blocks, self.scales, strict=True):
            told = scale(F.interpolate(x, size=(y.shape[2], y.size(3))))
            y = F.interpolate(y + block(y * told), scale_factor=2.0)
        return torch.tanh(self.leave(y))


def test_of_a_net_that_an_input_conditions_they_are_the_outputs_of_its_blocks() -> None:
    net = Conditioned()
    traced = trace(net, PICTURE)
    names = {node.name: node for node in traced.module.graph.nodes}
    every = distillation_points(traced, 99)
    # The additions, at the resolutions of the blocks.
    assert [traced.shapes[name][2] for name in every] == [4, 8, 16, 32, 64]
    assert all(len(names[name].all_input_nodes) == 2 for name in every)
    assert distillation_points(traced, 3) == (every[0], every[2], every[4])


def test_a_global_shortcut_goes_around_nothing_that_counts() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Conditioned(2)

        def forward(self, x: Tensor) -> Tensor:
            return x[:, :, :16, :16] + self.net(x)

    assert len(distillation_points(trace(Residual(), PICTURE), 2)) == 2


def test_a_net_whose_picture_is_no_function_of_its_input_has_none() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = nn.Parameter(torch.zeros(1, 3, 8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.picture * 2

    assert distillation_points(trace(Constant(), PICTURE), 4) == ()
