"""Parameters outside the layers, and numbers that count channels, in supernets and subnets."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.elastic import SearchSpace, SubnetConfig, Supernet
from gancompress.graph import trace


class Net(nn.Module):
    """A weight of its own, a scale that a layer shares, and a stated size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.weight = nn.Parameter(torch.randn(6, 8, 3, 3))
        self.score = nn.Linear(6, 1, bias=False)
        self.register_buffer("shift", torch.arange(6.0))
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(self.first(x), self.weight, padding=1)
        y = y * self.score.weight.view(1, 6, 1, 1) + self.shift.view(-1, 1, 1)
        gate = torch.sigmoid(self.score(y.mean((2, 3))))
        return self.last(y * gate.view(-1, 1, 1, 1))


CONFIG = SubnetConfig({"first": 3, "weight": 4})


def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet(trace(Net(), (torch.randn(1, 3, 5, 5),)), SearchSpace.multiples_of(1))


def test_they_are_sliced_with_the_channels() -> None:
    net = supernet()
    assert set(net.space.choices) == {"first", "weight"}
    small = net.materialise(CONFIG)
    shapes = {name: tuple(tensor.shape) for name, tensor in small.state_dict().items()}
    assert shapes["weight"] == (4, 3, 3, 3)
    assert shapes["shift"] == (4,)
    assert shapes["score.weight"] == (1, 4)
    x = torch.randn(2, 3, 7, 5)
    assert torch.equal(net.activate(CONFIG)(x), small(x))
    assert isinstance(small.weight, nn.Parameter)
    assert dict(small.named_buffers())["shift"].tolist() == [0, 1, 2, 3]


def test_a_parameter_that_a_layer_shares_stays_one() -> None:
    small = supernet().materialise(CONFIG)
    [score] = [p for name, p in small.named_parameters() if name == "score.weight"]
    before = small(torch.ones(1, 3, 5, 5))
    with torch.no_grad():
        score.add_(1)
    assert small.get_submodule("score").weight is score
    assert not torch.equal(small(torch.ones(1, 3, 5, 5)), before)


def test_numbers_come_back_at_full_width() -> None:
    net = supernet()
    x = torch.randn(1, 3, 5, 5)
    expected = net(x)
    net.activate(CONFIG)
    duplicate = copy.deepcopy(net)
    assert torch.equal(duplicate(x), net(x))
    assert torch.equal(net.activate(net.space.largest())(x), expected)
    assert not torch.equal(duplicate(x), expected)


def test_gradients_reach_the_active_part_only() -> None:
    net = supernet().activate(CONFIG)
    net(torch.randn(2, 3, 5, 5)).sum().backward()
    gradient = net.net.get_parameter("weight").grad
    assert gradient is not None
    assert gradient[:4, :3].abs().min() > 0
    assert not gradient[4:].any()
    assert not gradient[:, 3:].any()
