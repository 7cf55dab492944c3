import copy
import gc
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils import parametrizations, parametrize

from gancompress.errors import TraceError
from gancompress.gan.resnet import ResNetGenerator
from gancompress.graph import TracedGenerator, trace
from gancompress.graph.values import copy_module


class Call(nn.Module):
    """A generator written as a function of itself and its input."""

    def __init__(self, function: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self, *args, **kwargs)


class Optional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.out = nn.Conv2d(8, 3, 1)

    def forward(
        self,
        x: Tensor,
        style: Tensor | None = None,
        *,
        extras: dict[str, Any] | None = None,
        strong: bool = False,
    ) -> Any:
        assert x.shape[2] % 4 == 0
        y = self.conv(x)
        if style is not None:
            y = y * style
        if isinstance(y, Tensor) and strong:
            y = y * 2
        if extras is not None:
            y = y + extras["mask"]
            if extras.get("none") is None:
                y = y + 1
        return {"image": self.out(y), "features": [y]}


def picture(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def same(traced: TracedGenerator, module: nn.Module, *args: Any, **kwargs: Any) -> None:
    torch.manual_seed(0)
    expected = module(*copy.deepcopy(args), **copy.deepcopy(kwargs))
    torch.manual_seed(0)
    torch.testing.assert_close(traced.module(*args, **kwargs), expected, rtol=0, atol=0)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_traced_generator_computes_the_same_at_any_batch_and_resolution(norm: Any) -> None:
    generator = ResNetGenerator(width=4, blocks=1, norm=norm).eval()
    traced = trace(generator, (picture(1, 3, 16, 16),))
    same(traced, generator, picture(3, 3, 24, 32))
    assert not traced.specialisations
    assert not traced.opaque
    assert not traced.unused
    assert traced.shapes["model_1"] == (1, 4, 16, 16)


def test_the_original_is_left_alone_and_modes_are_kept() -> None:
    generator = ResNetGenerator(width=4, blocks=1, norm="batch").train()
    generator.model[2].eval()
    before = copy.deepcopy(generator.state_dict())
    traced = trace(generator, (picture(2, 3, 16, 16),))
    torch.testing.assert_close(dict(generator.state_dict()), dict(before), rtol=0, atol=0)
    torch.testing.assert_close(dict(traced.module.state_dict()), dict(before), rtol=0, atol=0)
    assert traced.module.training
    assert traced.module.get_submodule("model.5").training
    assert not traced.module.get_submodule("model.2").training
    assert traced.module.get_parameter("model.1.weight") is not generator.model[1].weight


def test_optional_keyword_dict_and_flag_inputs() -> None:
    generator = Optional().eval()
    kwargs = {"extras": {"mask": torch.ones(1, 1, 8, 8), "none": None}, "strong": True}
    traced = trace(generator, (picture(1, 3, 8, 8),), kwargs)
    larger = {"extras": {"mask": torch.ones(2, 1, 12, 8), "none": None}}
    same(traced, generator, picture(2, 3, 12, 8), **larger, strong=True)
    texts = [str(one) for one in traced.specialisations]
    assert any("argument 'strong' is fixed at True" in text for text in texts)
    assert any("assert x.shape[2] % 4 == 0" in text for text in texts)
    assert all(
        one.file.endswith("test_trace.py") and one.line > 0 for one in traced.specialisations
    )
    plain = trace(generator, (picture(1, 3, 8, 8),))
    same(plain, generator, picture(2, 3, 12, 8))


def test_sizes_stay_symbolic_through_int_float_round_and_math() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = F.interpolate(m.conv(x), size=(int(h * 1.5), round(float(w) / 2)))
        y = y + torch.zeros(b, 1, math.floor(h * 1.5), int(w / 2))
        y = torch.cat([y[:, : c - 1], y[:, c - 1 :]], 1)
        return y.reshape(b, -1, *y.size()[2:]) * len(x.shape) * y.ndim

    generator = Call(forward, conv=nn.Conv2d(3, 4, 1))
    traced = trace(generator, (picture(1, 3, 8, 8),))
    same(traced, generator, picture(2, 3, 12, 16))


def test_decisions_fall_as_in_the_example_and_are_listed() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        for part in x:
            if part.mean() > 5:
                return part
        return m.conv(x) if len(x) == 2 else x

    traced = trace(Call(forward, conv=nn.Conv2d(3, 4, 1)), (torch.zeros(2, 3, 4, 4),))
    texts = " ".join(one.text for one in traced.specialisations)
    assert "iterates over 2 slices" in texts
    assert "decided as False: if part.mean() > 5:" in texts
    assert "length 2" in texts
    assert [n.target for n in traced.module.graph.nodes if n.op == "call_module"] == ["conv"]


def test_a_submodule_that_decides_on_data_is_kept_whole() -> None:
    class Decides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) if x.mean() > 0 else x

    generator = nn.Sequential(nn.Conv2d(3, 4, 1), Decides())
    for sign in (1, -1):
        nn.init.constant_(generator[0].bias, 9.0 * sign)
        traced = trace(generator, (picture(1, 3, 4, 4),))
        assert list(traced.opaque) == ["1"]
        assert "it decides on a value that is in a tensor at test_trace.py" in traced.opaque["1"]
        nn.init.constant_(traced.module.get_submodule("0").bias, -9.0 * sign)
        nn.init.constant_(generator[0].bias, -9.0 * sign)
        same(traced, generator, picture(2, 3, 4, 4))


def test_a_submodule_may_decide_on_a_buffer() -> None:
    class Switched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("on", torch.tensor(1))

        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if self.on > 0 else x

    traced = trace(nn.Sequential(Switched()), (picture(1, 3, 4, 4),))
    assert not traced.opaque
    assert any("decided as True" in one.text for one in traced.specialisations)


def test_ranges_over_sizes_and_numbers_read_from_tensors_specialise() -> None:
    def forward(m: Any, x: Tensor, count: int) -> Tensor:
        for _ in range(count):
            x = x * 2
        return x * (1 if 3 in x.shape else 0) * [1.0, 2.0][x.shape[0]]

    traced = trace(Call(forward), (torch.ones(1, 3), 2))
    assert traced.module(torch.ones(1, 3), 2).tolist() == [[8.0] * 3]
    assert any("integer fixed at 2" in one.text for one in traced.specialisations)


def test_noise_is_drawn_anew_at_every_call() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.conv(x) + torch.randn(1, 4, 1, 1) + torch.randn_like(m.conv(x))

    traced = trace(Call(forward, conv=nn.Conv2d(3, 4, 1)), (picture(1, 3, 4, 4),))
    state = torch.get_rng_state()
    first, second = traced.module(picture(1, 3, 4, 4)), traced.module(picture(1, 3, 4, 4))
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    trace(Call(forward, conv=nn.Conv2d(3, 4, 1)), (picture(1, 3, 4, 4),))


def test_constants_buffers_parameters_and_assignments() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        x = F.conv2d(x, m.kernel.repeat(x.size(1), 1, 1, 1), groups=x.shape[1])
        x = x + m.scale + torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
        y = x.clone()
        y[:, 0] = 0.5
        x.add_(1)
        return torch.stack([x, y])

    generator = Call(forward, scale=nn.Parameter(torch.ones(1)))
    generator.register_buffer("kernel", torch.ones(1, 1, 3, 3))
    traced = trace(generator, (picture(1, 3, 8, 8),))
    same(traced, generator, picture(2, 3, 9, 9))


def test_shared_layers_tied_weights_and_unused_parameters() -> None:
    conv, other, dead = (nn.Conv2d(4, 4, 1) for _ in range(3))
    other.weight = conv.weight
    generator = Call(lambda m, x: m.b(m.other(m.a(m.a(x)))), a=conv, b=conv, other=other, dead=dead)
    traced = trace(generator, (picture(1, 4, 4, 4),))
    same(traced, generator, picture(2, 4, 4, 4))
    assert traced.unused == ("dead.weight", "dead.bias")
    module = traced.module
    assert module.get_parameter("a.weight") is module.get_parameter("other.weight")


@pytest.mark.parametrize(
    "reparametrise",
    [
        nn.utils.parametrizations.spectral_norm,
        nn.utils.parametrizations.weight_norm,
        pytest.param(
            nn.utils.spectral_norm, marks=pytest.mark.filterwarnings("ignore::FutureWarning")
        ),
        pytest.param(
            nn.utils.weight_norm, marks=pytest.mark.filterwarnings("ignore::FutureWarning")
        ),
    ],
)
def test_reparametrised_layers_stay_whole(reparametrise: Any) -> None:
    generator = nn.Sequential(reparametrise(nn.Conv2d(3, 4, 1)), nn.Conv2d(4, 3, 1))
    generator(picture(1, 3, 4, 4))
    generator.eval()
    traced = trace(generator, (picture(1, 3, 4, 4),))
    same(traced, generator, picture(2, 3, 6, 4))
    assert [n.target for n in traced.module.graph.nodes if n.op == "call_module"] == ["0", "1"]


class ThroughNumPy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(np.abs(x.detach().numpy()).max())


class OwnConv(nn.Conv2d):
    pass


class ScaledConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


def test_what_cannot_be_traced_through_is_kept_whole_with_the_reason() -> None:
    generator = nn.Sequential(
        OwnConv(3, 4, 1), nn.Sequential(ScaledConv(4, 4, 1), ThroughNumPy()), nn.Conv2d(4, 3, 1)
    ).eval()
    traced = trace(generator, (picture(1, 3, 4, 4),))
    assert list(traced.opaque) == ["1.1"]
    assert "NumPy" in traced.opaque["1.1"]
    assert "test_trace.py" in traced.opaque["1.1"]
    called = [n.target for n in traced.module.graph.nodes if n.op == "call_module"]
    assert called == ["0", "1.1", "2"]
    same(traced, generator, picture(2, 3, 6, 4))


def test_errors_name_the_root_and_say_a_way_out() -> None:
    with pytest.raises(TraceError, match=r"cannot trace 'ThroughNumPy'.*NumPy") as caught:
        trace(ThroughNumPy(), (picture(1, 3, 4, 4),))
    assert "submodule" in caught.value.hint
    with pytest.raises(TraceError, match="'Conv2d' fails on its own example inputs") as caught:
        trace(nn.Conv2d(3, 4, 1), (picture(1, 5, 4, 4),))
    assert "example_inputs" in caught.value.hint
    with pytest.raises(TraceError, match="'Optional' fails on its own example inputs"):
        trace(Optional())


def test_variable_arguments() -> None:
    generator = Call(
        lambda m, *xs, **kw: m.conv(torch.cat(xs, 1)) + kw["z"], conv=nn.Conv2d(4, 2, 1)
    )
    args = (picture(1, 2, 4, 4), picture(1, 2, 4, 4))
    traced = trace(generator, args, {"z": torch.ones(1)})
    same(traced, generator, *args, z=torch.ones(1))


def test_nothing_stays_patched() -> None:
    zeros, call = torch.zeros, nn.Module.__call__
    trace(Optional(), (picture(1, 3, 8, 8),))
    with pytest.raises(TraceError):
        trace(ThroughNumPy(), (picture(1, 3, 4, 4),))
    assert torch.zeros is zeros
    assert nn.Module.__call__ is call
    assert "int" not in globals()


def test_nothing_of_an_attempt_stays_in_memory() -> None:
    for function in vars(torch.overrides).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()

    class Local(Call):
        pass

    conv = torch.nn.utils.spectral_norm(nn.Conv2d(3, 4, 1))  # leaves its weight on the layer
    generator = Local(lambda m, x: torch.tanh(m.conv(x)), conv=conv)
    gc.collect()
    gc.disable()
    try:
        trace(generator, (picture(1, 3, 8, 8),))
        assert [one for one in gc.get_objects() if type(one) is Local] == [generator]
    finally:
        gc.enable()
    assert torch.zeros in torch.overrides.get_ignored_functions()


def test_fingerprints_tell_architectures_but_not_weights() -> None:
    def of(seed: int, **options: Any) -> str:
        torch.manual_seed(seed)
        generator = ResNetGenerator(blocks=1, **options)
        return trace(generator, (picture(1, 3, 16, 16),)).fingerprint

    assert of(0, width=4) == of(1, width=4)
    assert len({of(0, width=4), of(0, width=5), of(0, width=4, norm="batch")}) == 3


def test_with_module_measures_anew() -> None:
    traced = trace(nn.Sequential(nn.Conv2d(3, 4, 1)), (picture(1, 3, 4, 4),))
    module = copy.deepcopy(traced.module)
    module.add_submodule("extra", nn.Conv2d(4, 6, 1))
    output = module.graph.output_node()
    with module.graph.inserting_before(output):
        extra = module.graph.call_module("extra", (output.args[0],))
    output.args = (extra,)
    module.recompile()
    assert isinstance(module, fx.GraphModule)
    longer = traced.with_module(module)
    assert longer.shapes["extra"] == (1, 6, 4, 4)
    assert longer.fingerprint != traced.fingerprint
    assert longer.example_inputs is traced.example_inputs


def test_shapes_of_a_graph_that_looks_at_its_data() -> None:
    generator = Call(lambda m, x: x[x > 0].sum().reshape(1) * x.mean().item())
    traced = trace(generator, (picture(2, 5),))
    assert traced.shapes["reshape"] == (1,)


def test_mappings_are_read_as_python_reads_them() -> None:
    def forward(m: Any, batch: dict[str, Any]) -> dict[str, Any]:
        total = sum(batch.values()) + sum(batch[key] for key in batch)
        total = total + sum(value for _, value in batch.items())
        if "a" in batch and list(batch.keys()) == ["a", "b"]:
            total = total + batch.get("c", 1) + batch.get("a")
        return {"out": total, "count": len(batch)}

    traced = trace(Call(forward), ({"a": torch.ones(1), "b": torch.ones(1)},))
    assert traced.module({"a": torch.ones(1), "b": torch.ones(1)})["out"].item() == 8


def test_conversions_and_types_fall_as_with_real_values() -> None:
    def forward(m: Any, x: Tensor, scale: float) -> Tensor:
        assert isinstance(x.shape[0], int)
        assert not isinstance(scale, int)
        assert isinstance(scale, float)
        assert issubclass(bool, int)
        plain = (3).__class__  # the real type, where ``int`` is a stand-in
        assert plain == int  # noqa: E721 - the comparison that user code may make
        assert {int: 1}[plain] == 1
        assert not hasattr(x, "nothing_like_this")
        assert int("7") == 7
        assert x.shape[1] in (2, 3)
        assert {x: 1}[x] == 1
        assert operator.index(x.shape[1]) == 3
        assert math.isclose(np.float64(scale), 2.0)
        with pytest.raises(AttributeError):
            _ = x.shape.nothing_like_this
        return x * np.int64(x.shape[1]).item() * scale

    traced = trace(Call(forward), (torch.ones(1, 3), 2.0))
    assert traced.module(torch.ones(1, 3), 3.0).tolist() == [[9.0] * 3]


def test_slices_of_sizes_and_sparse_values() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        height = x.shape[-2]
        return x[:, :, : height // 2] + x.to_sparse().coalesce().values().sum()

    traced = trace(Call(forward), (torch.ones(1, 1, 4, 4),))
    assert traced.module(torch.ones(1, 1, 6, 2)).shape == (1, 1, 3, 2)


def test_a_class_without_a_module_name_is_traced_through() -> None:
    space: dict[str, Any] = {"nn": nn, "__name__": None}
    exec(  # noqa: S102 - this is how a notebook or a plugin file may make a class
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 1)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x).relu()\n",
        space,
    )
    traced = trace(nn.Sequential(space["Block"](), nn.Conv2d(8, 3, 1)), (picture(1, 3, 8, 8),))
    assert traced.opaque == {}
    assert "0.conv" in {node.target for node in traced.module.graph.nodes}


@pytest.mark.parametrize(
    "read",
    [
        lambda fc: next(fc.parameters()).unsqueeze(0)[0].T,
        lambda fc: next(fc.parameters()).T,
        lambda fc: torch.transpose(next(fc.parameters()), 0, 1),
        lambda fc: dict(fc.named_parameters())["weight"].t(),
    ],
)
def test_parameters_that_are_no_attributes_stay_parameters(read: Callable[[Any], Tensor]) -> None:
    def weighed(m: Any, x: Tensor) -> Tensor:
        width = next(m.fc.parameters()).shape[0]
        return m.fc(x) @ read(m.fc).T[:width]

    traced = trace(Call(weighed, fc=nn.Linear(4, 4)), (torch.ones(2, 4),))
    assert dict(traced.module.named_buffers()) == {}
    before = traced.module(torch.ones(2, 4))
    with torch.no_grad():
        traced.module.get_parameter("fc.weight").mul_(2)
        traced.module.get_parameter("fc.bias").mul_(2)
    torch.testing.assert_close(traced.module(torch.ones(2, 4)), 4 * before)


def test_hooks_leave_no_fake_weights_behind() -> None:
    net = nn.Sequential(torch.nn.utils.spectral_norm(nn.Conv2d(3, 4, 1))).eval()
    traced = trace(net, (torch.ones(1, 3, 4, 4),))
    assert type(traced.module.get_submodule("0").weight) is Tensor
    duplicate = copy_module(traced.module)
    x = torch.ones(1, 3, 4, 4)
    assert torch.equal(duplicate(x), net(x))


def test_copies_of_parametrised_layers_are_on_their_own() -> None:
    net = nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 4, 1))).eval()
    x = torch.ones(1, 3, 4, 4)
    expected = net(x)
    duplicate = copy_module(net)
    parametrize.remove_parametrizations(duplicate[0], "weight")
    assert torch.equal(net(x), expected)
    assert torch.equal(duplicate(x), expected)


@pytest.mark.parametrize("needs_values", [False, True])
def test_nothing_is_computed_unless_values_matter(needs_values: bool) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        return y * (2 if y.sum() > 1e9 else 1) if needs_values else y

    generator = Call(forward, conv=nn.Conv2d(3, 4, 1))
    seen: list[type] = []
    generator.conv.register_forward_hook(lambda _m, _args, out: seen.append(type(out)))
    traced = trace(generator, (picture(1, 3, 4, 4),))
    assert (torch.Tensor in seen) is needs_values
    same(traced, generator, picture(2, 3, 4, 4))


def test_tensors_that_are_made_from_nothing_keep_their_values() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.conv(x) + torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)

    generator = Call(forward, conv=nn.Conv2d(3, 4, 1))
    same(trace(generator, (picture(1, 3, 4, 4),)), generator, picture(2, 3, 4, 4))
