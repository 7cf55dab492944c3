import copy

import pytest
import torch
from torch import Tensor, nn

from gancompress.elastic.program import Program
from gancompress.graph import trace


class Many(nn.Module):
    """Every kind of node, several inputs and outputs, and an activation that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU(inplace=True)
        self.bias = nn.Parameter(torch.randn(4, 1, 1))

    def forward(
        self, x: Tensor, extra: dict[str, Tensor], scale: float = 2.0
    ) -> tuple[Tensor, dict[str, list[Tensor]]]:
        y = self.act(self.conv(x)) + self.bias
        y = y.mul(scale) - torch.abs(extra["z"])
        return y, {"parts": [y.sum(), x]}


def inputs() -> tuple[Tensor, dict[str, Tensor]]:
    return torch.randn(2, 3, 4, 4), {"z": torch.randn(4, 1, 1)}


def test_it_computes_what_the_net_does() -> None:
    net = trace(Many(), inputs()).module
    x, extra = inputs()
    expected, expected_parts = net(x, extra, 3.0)
    (found, parts), heard = Program(net, {}).run((x,), {"scale": 3.0, "extra": extra})
    assert torch.equal(found, expected)
    assert heard == {}
    assert type(parts) is dict
    assert type(parts["parts"]) is list
    assert torch.equal(parts["parts"][0], expected_parts["parts"][0])
    default = Program(net, {}).run((x, extra), {})[0][0]
    assert torch.equal(default, net(x, extra)[0])


def test_heard_values_are_from_before_a_layer_that_works_in_place() -> None:
    net = trace(Many(), inputs()).module
    x, extra = inputs()
    _, heard = Program(net, {}).run((x, extra), {}, ("conv", "x"))
    assert torch.equal(heard["conv"], net.get_submodule("conv")(x))
    assert heard["conv"].min() < 0
    assert torch.equal(heard["x"], x)


def test_layers_can_be_replaced() -> None:
    net = trace(Many(), inputs()).module
    program = Program(net, {"conv": lambda x: torch.zeros(2, 4, 4, 4)})
    x, extra = inputs()
    (found, _), _ = copy.deepcopy(program).run((x, extra, 1.0), {})
    bias = net.get_parameter("bias")
    assert torch.equal(found, (bias - extra["z"].abs()).expand(2, 4, 4, 4))


def test_weights_are_read_at_every_call_and_a_copy_has_its_own() -> None:
    net = trace(Many(), inputs()).module
    program = Program(net, {})
    x, extra = inputs()
    before = net(x, extra)[0].clone()
    other = copy.deepcopy(program)
    state = {name: torch.randn_like(value) for name, value in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    (found, _), _ = program.run((x, extra), {})
    assert torch.equal(found, net(x, extra)[0])
    assert not torch.equal(found, before)
    assert torch.equal(other.run((x, extra), {})[0][0], before)


class Arguments(nn.Module):
    """Arguments that are nested, given by name, strings, slices with sizes, and attributes."""

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[2] // 2
        y = torch.cat([x[:, :, :half], x[:, :, half:]], dim=1)
        y = nn.functional.interpolate(y, size=(x.shape[2], x.shape[3]), mode="nearest")
        y = torch.einsum("nchw,ndhw->ncd", y, y)
        return y.reshape(x.size(0), -1).clamp(min=-1.0)


def test_arguments_of_every_kind_reach_the_function() -> None:
    net = trace(Arguments(), (torch.randn(2, 3, 4, 4),)).module
    x = torch.randn(3, 3, 8, 6)
    assert torch.equal(Program(net, {}).run((x,), {})[0], Arguments()(x))


def test_inputs_that_do_not_fit_are_refused_as_by_a_call() -> None:
    net = trace(Many(), inputs()).module
    for args, kwargs in (((), {}), ((1, 2, 3, 4), {}), (inputs(), {"what": 1})):
        with pytest.raises(TypeError):
            Program(net, {}).run(args, kwargs)
