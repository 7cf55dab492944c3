import copy
import random

import pytest
import torch
from torch import Tensor, nn

from gancompress.elastic import SearchSpace, SubnetConfig, Supernet, calibrate_batch_norm
from gancompress.errors import AnalysisError, SubnetError
from gancompress.gan import ResNetGenerator
from gancompress.gan.resnet import NormName
from gancompress.graph import TracedGenerator, trace
from gancompress.passes import SortChannels


def generator(norm: NormName = "instance") -> TracedGenerator:
    torch.manual_seed(0)
    net = ResNetGenerator(width=8, blocks=1, norm=norm).eval()
    return trace(net, (torch.randn(2, 3, 16, 16),))


def supernet(norm: NormName = "instance") -> Supernet:
    return Supernet(generator(norm), SearchSpace.multiples_of(4))


def test_it_starts_as_the_generator() -> None:
    traced = generator()
    net = Supernet(traced)
    x = traced.example_inputs[0]
    assert torch.equal(net(x), traced.module(x))
    assert net.config == net.space.largest()
    assert not net.training


def test_every_layer_keeps_its_own_mode() -> None:
    traced = generator("batch")
    traced.module.train()
    traced.module.get_submodule("model.2").eval()
    net = Supernet(traced)
    assert net.training
    assert not net.net.get_submodule("model.2").training
    small = net.materialise(net.space.smallest())
    assert small.training
    assert not small.get_submodule("model.2").training
    assert small.get_submodule("model.5").training


def test_activate_returns_the_supernet_and_narrows_it() -> None:
    net = supernet()
    x = torch.randn(1, 3, 16, 16)
    smallest = net.space.smallest()
    narrow = net.activate(smallest)(x)
    assert net.config == smallest
    assert not torch.equal(narrow, net.activate(net.space.largest())(x))


def test_materialised_subnets_are_plain_and_on_their_own() -> None:
    net = supernet("batch")
    x = torch.randn(1, 3, 16, 16)
    smallest = net.space.smallest()
    small = net.materialise(smallest)
    assert net.config == net.space.largest()
    first = small.get_submodule("model.1")
    assert type(first) is nn.Conv2d
    assert first.out_channels == smallest.widths["model.1"] == 4
    before = small(x)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1)
    assert torch.equal(small(x), before)
    again = trace(small, (x,))
    torch.testing.assert_close(again.module(x), before)
    calibrate_batch_norm(small, [x])
    assert not torch.equal(small(x), before)


def test_a_config_may_name_some_groups_only() -> None:
    net = supernet()
    small = net.materialise(SubnetConfig({"model.1": 4}))
    assert small.get_submodule("model.1").weight.shape[0] == 4
    assert small.get_submodule("model.4").weight.shape == (16, 4, 3, 3)


def test_the_state_dict_is_the_generators() -> None:
    traced = generator("batch")
    net = Supernet(traced)
    assert list(net.state_dict()) == list(traced.module.state_dict())
    other = generator("batch")
    for parameter in other.module.parameters():
        nn.init.normal_(parameter)
    net.load_state_dict(other.module.state_dict())
    x = traced.example_inputs[0]
    assert torch.equal(net(x), other.module(x))
    with pytest.raises(RuntimeError, match=r'"model\.1\.weight"'):
        net.load_state_dict({})
    assert torch.equal(traced.module(x), generator("batch").module(x))


def test_the_state_dict_inside_another_module() -> None:
    both = nn.ModuleDict({"student": supernet(), "other": nn.Linear(1, 1)})
    state = both.state_dict()
    assert "student.model.1.weight" in state
    state = {key: value + 1 for key, value in state.items()}
    both.load_state_dict(state)
    assert torch.equal(both.state_dict()["student.model.1.weight"], state["student.model.1.weight"])


def test_gradients_reach_only_active_weights() -> None:
    net = supernet()
    net.activate(net.space.smallest())
    net(torch.randn(1, 3, 16, 16)).abs().sum().backward()
    weight = net.net.get_parameter("model.4.weight")
    assert weight.grad is not None
    reached = weight.grad.abs().amax((2, 3)) > 0
    outputs, inputs = (net.config.widths[key] for key in ("model.4", "model.1"))
    assert reached[:outputs, :inputs].all()
    assert int(reached.sum()) == outputs * inputs
    copy.deepcopy(net)


def test_a_copy_has_weights_and_widths_of_its_own() -> None:
    net = supernet()
    x = torch.randn(1, 3, 16, 16)
    before = net(x)
    other = copy.deepcopy(net).activate(net.space.smallest())
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert torch.equal(net(x), before)
    assert other(x).abs().max() == 0


def test_modes_and_dtypes_follow() -> None:
    net = supernet("batch").double()
    net.activate(net.space.smallest())
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    calm = net(x)
    assert calm.dtype is torch.float64
    assert not torch.equal(net.train()(x), calm)
    assert net.materialise(net.config).training
    assert net.eval().materialise(net.config).training is False


def test_taps_hear_the_active_channels() -> None:
    net = supernet()
    tap = net.tap(["model_1", "add"])
    net.activate(net.space.smallest())
    x = torch.randn(1, 3, 16, 16)
    output, heard = tap(x)
    assert torch.equal(output, net(x))
    assert set(heard) == {"model_1", "add"}
    small = net.materialise(net.config)
    assert torch.equal(heard["model_1"], small.get_submodule("model.1")(nn.ReflectionPad2d(3)(x)))
    for name, value in heard.items():
        assert len(net.active_units(name)) == value.shape[1]
        assert value.requires_grad
    assert {id(p) for p in tap.parameters()} == {id(p) for p in net.parameters()}


def test_active_units_are_positions_in_the_full_tensor() -> None:
    net = supernet()
    assert net.active_units("model_4").tolist() == list(range(16))
    net.activate(SubnetConfig({"model.4": 8}))
    assert net.active_units("model_4").tolist() == list(range(8))
    assert net.active_units("x").tolist() == [0, 1, 2]


class Spread(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 1)
        self.b = nn.Conv2d(3, 8, 1)
        self.c = nn.Conv2d(16, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.stack([self.a(x), self.b(x)], 1)
        result: Tensor = self.c(both.flatten(1, 2))
        return result


class Tied(nn.Module):
    """An embedding, and two linear layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 8)
        self.mix = nn.Linear(8, 8)
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(8, 16)
        self.b.weight = self.a.weight
        self.last = nn.Linear(16, 3)

    def forward(self, label: Tensor) -> Tensor:
        x = torch.relu(self.mix(self.table(label)))
        result: Tensor = self.last(torch.relu(self.a(x)) * self.b(x))
        return result


def test_embeddings_and_tied_weights() -> None:
    label = torch.tensor([0, 3, 1])
    traced = trace(Tied().eval(), (label,))
    after = SortChannels().apply(traced)
    torch.testing.assert_close(after.module(label), traced.module(label))
    net = Supernet(after, SearchSpace.multiples_of(2))
    smallest = net.space.smallest()
    small = net.materialise(smallest)
    assert torch.equal(small(label), net.activate(smallest)(label))
    assert small.get_submodule("table").embedding_dim == 2
    assert small.get_parameter("a.weight") is small.get_parameter("b.weight")
    assert small.get_parameter("a.weight").shape == (4, 2)


def test_positions_over_several_axes_are_refused() -> None:
    net = Supernet(trace(Spread().eval(), (torch.zeros(1, 3, 4, 4),)))
    with pytest.raises(AnalysisError, match="spread over"):
        net.active_units("stack")


def test_nodes_that_are_not_there_are_named() -> None:
    net = supernet()
    with pytest.raises(AnalysisError, match="'model_44'") as caught:
        net.tap(["model_44"])
    assert "'model_4'" in caught.value.hint
    with pytest.raises(AnalysisError) as caught:
        net.active_units("?")
    assert "print" in caught.value.hint


def test_groups_and_widths_that_are_not_there_are_refused() -> None:
    net = supernet()
    for use in (net.activate, net.materialise):
        with pytest.raises(SubnetError, match=r"'model\.3'"):
            use(SubnetConfig({"model.3": 4}))
        with pytest.raises(SubnetError, match=r"width 5 of group 'model\.4'") as caught:
            use(SubnetConfig({"model.4": 5}))
        assert "4, 8, 12, 16" in caught.value.hint
    assert net.config == net.space.largest()
    with pytest.raises(SubnetError, match="no group 'a'"):
        Supernet(generator(), SearchSpace({"a": (1,)}))


def test_groups_outside_of_the_space_stay_at_full_width() -> None:
    net = Supernet(generator(), SearchSpace({"model.1": (4,)}))
    assert net.config.widths == {"model.1": 4}
    net.activate(SubnetConfig({"model.1": 8, "model.4": 16}))
    with pytest.raises(SubnetError, match=r"width 8 of group 'model\.4'"):
        net.activate(SubnetConfig({"model.4": 8}))


def test_samples_come_from_the_space() -> None:
    net = supernet()
    rng = random.Random(1)  # noqa: S311 - repeatable, not secret
    state = rng.getstate()
    config = net.sample(rng)
    rng.setstate(state)
    assert config == net.space.sample(rng)
    assert net.config == net.space.largest()
    net.activate(config)
