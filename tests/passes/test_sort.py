from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gancompress.gan import ResNetGenerator
from gancompress.graph import analyse, trace
from gancompress.passes import Decompose, SortChannels, run_passes, unit_importance
from gancompress.passes.sort import source_positions


class Skips(nn.Module):
    """A U-Net in small: concatenation, pixel shuffle, group norm, a chunk and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(4, 8)
        self.down = nn.Conv2d(8, 16, 4, stride=2, padding=1)
        self.batch = nn.BatchNorm2d(16)
        self.act = nn.PReLU(16)
        self.style = nn.Linear(3, 32)
        self.shuffled = nn.Conv2d(16, 32, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.relu(self.norm(self.first(x)))
        scale, shift = self.style(x.mean((2, 3)))[:, :, None, None].chunk(2, dim=1)
        down = self.act(self.batch(self.down(first))) * scale + shift
        up = self.shuffle(self.shuffled(down))
        result: Tensor = torch.tanh(self.last(torch.cat([first, up], dim=1)))
        return result


NETS: dict[str, Callable[[], nn.Module]] = {
    "resnet, instance norm": lambda: ResNetGenerator(width=8, blocks=2),
    "resnet, batch norm": lambda: ResNetGenerator(width=8, blocks=2, norm="batch"),
    "skips": Skips,
}


@pytest.mark.parametrize("name", NETS)
def test_sorting_leaves_the_output(name: str) -> None:
    torch.manual_seed(0)
    net = NETS[name]().double()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    net(x)  # running statistics of its own for each channel
    traced = trace(net.eval(), (x,))
    before = [p.clone() for p in traced.module.parameters()]

    result = SortChannels().apply(traced)

    assert (result.module(x) - traced.module(x)).abs().max() < 1e-10
    assert all(torch.equal(a, b) for a, b in zip(before, traced.module.parameters(), strict=True))
    graph = analyse(result)
    assert graph.searchable()
    for group in graph.searchable():
        scores = unit_importance(graph, group, result.module)
        assert (np.diff(scores) <= 1e-9).all(), group.key


def test_sorting_moves_something_and_follows_decomposition() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    traced = trace(ResNetGenerator(width=8, blocks=1).double().eval(), (x,))
    separable = Decompose("resblocks").apply(traced)
    result = run_passes(separable, [SortChannels()])
    assert (result.module(x) - separable.module(x)).abs().max() < 1e-10
    depthwise = "model.10.conv_block.1.depthwise.weight"
    assert not torch.equal(
        result.module.state_dict()[depthwise], separable.module.state_dict()[depthwise]
    )


def test_importance_is_the_l1_norm_over_producers_and_consumers() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([-1.0, 2.0]).view(2, 1, 1, 1))
        net[2].weight.copy_(torch.tensor([[1.0, -8.0], [2, 0], [-3, 0]]).view(3, 2, 1, 1))
    traced = trace(net.eval(), (torch.zeros(1, 1, 2, 2),))
    graph = analyse(traced)
    (group,) = graph.searchable()
    np.testing.assert_allclose(unit_importance(graph, group, traced.module), [7, 10])
    first = SortChannels().apply(traced).module.get_parameter("0.weight")
    assert first.flatten().tolist() == [2, -1]


def test_units_with_several_positions_keep_their_inner_order() -> None:
    ids = np.array([5, 5, 7, 7, -1, 5, 7])
    assert source_positions(ids, {5: 7, 7: 5}).tolist() == [2, 3, 0, 1, 4, 6, 5]
    assert source_positions(ids, {}).tolist() == list(range(7))
