"""Saved models: the same network comes back, and nothing else ever runs."""

import json
import math
import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import CheckpointError, ExportError, StorageError
from gancompress.export import CompressedModel
from gancompress.store import save_tensors


class Translator(nn.Module):
    """A little of everything that generators are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3))
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1)
        self.act = nn.PReLU(8)
        self.last = nn.Conv2d(16, 3, 1)
        self.scale = nn.Parameter(torch.ones(1, 8, 1, 1) * 1.5)
        self.register_buffer("shift", torch.full((1, 8, 1, 1), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        g = F.leaky_relu(F.instance_norm(self.down(h)), 0.2)
        g = self.depthwise(self.norm(g)) * self.scale + self.shift
        g = F.interpolate(self.up(g), size=(x.shape[2], x.shape[3]), mode="nearest")
        h = torch.cat([h, self.act(g).clamp(min=-float("inf"), max=1e6)], dim=1)
        return torch.tanh(self.last(h[:, :, ...]))


def translator(seed: int = 0) -> fx.GraphModule:
    torch.manual_seed(seed)
    net = Translator()
    net(torch.randn(4, 3, 16, 16))  # batch statistics that are not the first ones
    return fx.symbolic_trace(net.eval())


def traced(*layers: nn.Module) -> fx.GraphModule:
    return fx.symbolic_trace(nn.Sequential(*layers).eval())


def model_of(module: nn.Module, **card: object) -> CompressedModel:
    return CompressedModel(module, SubnetConfig({"first.1": 8}), Cost(10, 12, 5), card)


def test_a_model_comes_back_bit_for_bit(tmp_path: Path) -> None:
    module = translator()
    model = model_of(module, data="maps", metrics={"l1": 0.5})
    folder = model.save(tmp_path / "deep" / "model")
    back = CompressedModel.load(folder)
    picture = torch.randn(2, 3, 24, 16)
    with torch.no_grad():
        assert torch.equal(back.module(picture), module(picture))
    assert (back.config, back.cost, back.card) == (model.config, model.cost, model.card)
    assert not back.module.training
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]
    # What came back can be saved again, to the same bytes.
    again = back.save(tmp_path / "again")
    for name in ("model.json", "weights.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


LAYERS: dict[str, tuple[tuple[nn.Module, ...], Tensor]] = {
    "same": (
        (nn.Conv2d(3, 4, 3, padding="same", padding_mode="reflect"),),
        torch.randn(1, 3, 8, 8),
    ),
    "norms": (
        (nn.GroupNorm(1, 4, affine=False), nn.InstanceNorm2d(4, affine=True)),
        torch.randn(1, 4, 8, 8),
    ),
    "running": ((nn.InstanceNorm2d(4, track_running_stats=True),), torch.randn(1, 4, 8, 8)),
    "upsample": (
        (nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True), nn.PixelUnshuffle(2)),
        torch.randn(1, 4, 8, 8),
    ),
    "pools": (
        (nn.AvgPool2d(2), nn.MaxPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d((None, 2))),
        torch.randn(1, 4, 12, 12),
    ),
    "activations": (
        (nn.LeakyReLU(0.3, inplace=True), nn.Hardtanh(-0.5, 0.5), nn.GELU("tanh"), nn.Softplus(2)),
        torch.randn(2, 4),
    ),
    "linear": (
        (nn.Linear(4, 6, bias=False), nn.LayerNorm(6, bias=False), nn.Dropout(0.5), nn.Softmax(1)),
        torch.randn(2, 4),
    ),
    "embedding": ((nn.Embedding(5, 4, padding_idx=1), nn.Flatten()), torch.tensor([[0, 1, 4]])),
    "shapes": ((nn.Identity(), nn.Unflatten(1, (2, 2))), torch.randn(2, 4)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_keep_their_arguments(case: str, tmp_path: Path) -> None:
    layers, x = LAYERS[case]
    module = traced(*layers)
    back = CompressedModel.load(model_of(module).save(tmp_path)).module
    for (path, one), (other_path, other) in zip(
        module.named_modules(), back.named_modules(), strict=True
    ):
        assert path == other_path
        if path:
            assert repr(one) == repr(other)
    assert torch.equal(back(x.clone()), module(x.clone()))


class Attends(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.attention(x, x, x)[0]
        return result


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"add_bias_kv": True}])
def test_attention_comes_back(options: dict[str, Any], tmp_path: Path) -> None:
    module = fx.symbolic_trace(Attends(**options).eval())
    back = CompressedModel.load(model_of(module).save(tmp_path)).module
    x = torch.randn(2, 3, 4)
    assert torch.equal(back(x), module(x))


class Values(nn.Module):
    """Arguments of every kind, a default, a keyword and a layer's weight used directly."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        self.lonely = nn.Parameter(torch.randn(1, 4, 1, 1), requires_grad=False)

    def forward(self, x: Tensor, gain: float = 2.0) -> dict[str, Tensor]:
        n, c, h, w = x.shape[0], x.shape[1], x.shape[2], x.shape[3]
        y = F.conv2d(self.conv(x), self.conv.weight * gain)
        y = y.to(torch.float64).to(device=torch.device("cpu"), dtype=torch.float32)
        y = y.contiguous(memory_format=torch.channels_last).view(n, c, h * w).reshape(n, c, h, w)
        grid = torch.zeros((h, w), dtype=torch.float32, layout=torch.strided)
        y = y + grid[None, None] + self.lonely
        return {"y": y[..., ::2], "z": torch.clamp(y, min=-math.inf).flip([2, 3])}


def test_every_kind_of_argument_comes_back(tmp_path: Path) -> None:
    module = fx.symbolic_trace(Values().eval())
    back = CompressedModel.load(model_of(module).save(tmp_path)).module
    x = torch.randn(2, 4, 6, 6)
    for inputs in ((x,), (x, 3.0)):
        got, wanted = back(*inputs), module(*inputs)
        assert got.keys() == wanted.keys()
        assert all(torch.equal(got[name], wanted[name]) for name in wanted)
    assert isinstance(back.lonely, nn.Parameter)


class Own(nn.Conv2d):
    """Somebody's own layer."""


def _hooked() -> nn.Module:
    layer = nn.Conv2d(3, 3, 1)
    layer.register_forward_hook(lambda *_: None)
    return layer


def _graph(call: Callable[[fx.Graph, fx.Node], fx.Node], root: nn.Module | None = None) -> Any:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output(call(graph, x))
    return fx.GraphModule(root or nn.Module(), graph)


def _own_function(x: Tensor) -> Tensor:
    return x


def _with_constant() -> nn.Module:
    root = nn.Module()
    root.constant = 3  # type: ignore[assignment]
    return root


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (lambda: nn.Conv2d(3, 3, 1), "a 'Conv2d' is no traced graph"),
        (lambda: fx.GraphModule({"own": Own(3, 3, 1)}, _leaf("own")), "'own' is a 'Own'"),
        (
            lambda: traced(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))),
            "'0' is a 'Parametrized",
        ),
        (lambda: traced(_hooked()), "'0' has hooks"),
        (lambda: fx.GraphModule({"r": nn.GRU(3, 3)}, _leaf("r")), "'r'"),
        (lambda: _graph(lambda g, x: g.call_function(_own_function, (x,))), "_own_function'"),
        (lambda: _graph(lambda g, x: g.call_function(torch.save, (x,))), "calls 'torch.serial"),
        (lambda: _graph(lambda g, x: g.call_method("numpy", (x,))), "the method 'numpy'"),
        (
            lambda: _graph(lambda g, x: g.call_function(torch.add, (x, 2j))),
            "'add' cannot be saved: a value of type 'complex'",
        ),
        (lambda: _graph(lambda g, x: g.get_attr("constant"), _with_constant()), "not a tensor"),
        (lambda: fx.symbolic_trace(Any_()), "any number of inputs"),
        (lambda: fx.GraphModule({}, _attribute_graph()), "would not come back from its file"),
    ],
)
def test_what_no_file_can_hold_is_named(
    module: Callable[[], nn.Module], match: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=match):
        model_of(module()).save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


class Any_(nn.Module):  # noqa: N801
    def forward(self, *xs: Tensor) -> Tensor:
        return torch.cat(xs[0])  # type: ignore[arg-type]


def _leaf(path: str) -> fx.Graph:
    graph = fx.Graph()
    graph.output(graph.call_module(path, (graph.placeholder("x"),)))
    return graph


def _attribute_graph() -> fx.Graph:
    graph = fx.Graph()
    graph.output(graph.call_function(getattr, (graph.placeholder("x"), "grad_fn")))
    return graph


def test_a_layer_that_would_change_is_refused(tmp_path: Path) -> None:
    layer = nn.Conv2d(3, 4, 3)
    layer.stride = (2, 2)
    layer.transposed = True  # what no argument of the constructor says
    layer.in_channels = 3
    layer.weight = nn.Parameter(torch.zeros(5, 3, 3, 3))
    with pytest.raises(ExportError, match="would not come back"):
        model_of(traced(layer)).save(tmp_path)


def test_a_layer_that_lost_an_argument_is_refused(tmp_path: Path) -> None:
    layer = nn.LeakyReLU()
    del layer.negative_slope
    with pytest.raises(ExportError, match="'0' cannot be described"):
        model_of(traced(layer)).save(tmp_path)


def test_a_card_that_is_no_json_is_refused(tmp_path: Path) -> None:
    for value in (object(), math.nan):
        with pytest.raises(ExportError, match="the card of the model cannot be saved"):
            model_of(translator(), value=value).save(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        model_of(translator()).save(tmp_path / "file" / "model")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder: Path = model_of(translator()).save(tmp_path / "model")
    return folder


def _edit(folder: Path, change: Callable[[Any], None]) -> None:
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))


def test_tampered_weights_are_refused(saved: Path) -> None:
    data = bytearray((saved / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (saved / "weights.safetensors").write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"holds other weights than 'model\.json'"):
        CompressedModel.load(saved)


@pytest.mark.parametrize("missing", ["model.json", "weights.safetensors"])
def test_a_missing_file_is_named(saved: Path, missing: str) -> None:
    (saved / missing).unlink()
    with pytest.raises(CheckpointError, match=f"{missing}' cannot be read"):
        CompressedModel.load(saved)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is damaged"),
        ('{"format": "gancompress.mo', "is damaged"),
        ("[1]", "describes no compressed model"),
        ('{"format": "something else"}', "describes no compressed model"),
        ('{"format": "gancompress.model", "version": 9}', "of version '9'"),
        ('{"format": "gancompress.model", "version": 1}', "damaged or unsafe: 'weights'"),
    ],
)
def test_a_damaged_description_is_named(saved: Path, text: str, match: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(CheckpointError, match=match):
        CompressedModel.load(saved)


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    import hashlib

    path = saved / "weights.safetensors"
    save_tensors(path, {"first.1.weight": torch.zeros(2)})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _edit(saved, lambda content: content["weights"].update(sha256=digest))
    with pytest.raises(CheckpointError, match="damaged or unsafe"):
        CompressedModel.load(saved)


def _node(content: Any, op: str) -> Any:
    return next(node for node in content["graph"]["nodes"] if node["op"] == op)


def _set(which: str, **values: Any) -> Callable[[Any], None]:
    return lambda content: _node(content, which).update(values)


MARK = "gancompress_was_tricked"
CODE = f"__import__('os').environ.update({MARK}='1')"

ATTACKS: dict[str, Callable[[Any], None]] = {
    "system": _set("call_function", target="os.system", args=["true"]),
    "eval": _set("call_function", target="builtins.eval", args=[CODE]),
    "exec": _set("call_function", target="builtins.exec", args=[CODE]),
    "load": _set("call_function", target="torch.load", args=["x.pt"]),
    "hub": _set("call_function", target="torch.hub.load", args=["a/b", "c"]),
    "file": _set("call_function", target="torch.from_file", args=["x", True, 4]),
    "caller": _set("call_function", target="operator.methodcaller", args=["x"]),
    "call": _set("call_function", target="operator.call", args=["x"]),
    "handler": _set(
        "call_function", target="torch.nn.functional.boolean_dispatch", args=[], kwargs={}
    ),
    "private": _set("call_function", target="torch._C._jit_init", args=[]),
    "attribute": _set(
        "call_function", target="builtins.getattr", args=[{"node": "x"}, "__class__"]
    ),
    "attribute by node": _set(
        "call_function", target="builtins.getattr", args=[{"node": "x"}, {"node": "x"}]
    ),
    "attribute by keyword": _set(
        "call_function", target="builtins.getattr", args=[{"node": "x"}], kwargs={"a": "data"}
    ),
    "no text": _set("call_function", target=["torch.add"]),
    "method": _set("call_method", target="apply_"),
    "private method": _set("call_method", target="__reduce__"),
    "method code": _set("call_method", target=f"clamp({CODE}) or x.clamp"),
    "node name": _set("call_function", name=f"a = {CODE}; b"),
    "input name": _set("placeholder", target=f"x={CODE}"),
    "input keyword": _set("placeholder", target="lambda"),
    "keyword": _set("call_function", kwargs={f"size={CODE}, mode": 1}),
    "operation": _set("call_function", op="call_anything"),
    "unknown layer": _set("call_module", target="elsewhere"),
    "later node": _set("call_function", args=[{"node": "output"}]),
    "unknown word": _set("call_function", args=[{"eval": CODE}]),
    "two words": _set("call_function", args=[{"node": "x", "tuple": []}]),
    "no dtype": _set("call_function", args=[{"dtype": "load"}]),
    "tensor code": lambda content: content["graph"]["tensors"].update({f'a"+{CODE}+"': True}),
    "layer code": lambda content: content["graph"]["layers"].update(
        {f'a"+{CODE}+"': {"class": "ReLU", "arguments": {}}}
    ),
    "layer class": lambda content: content["graph"]["layers"]["down"].update({"class": "Module"}),
    "layer path": lambda content: content["graph"]["layers"]["down"].update(
        {"class": "torch.hub.load"}
    ),
    "layer argument": lambda content: content["graph"]["layers"]["down"]["arguments"].update(
        {"callback": "x"}
    ),
    "deep": lambda content: _node(content, "call_function").update(args=_deep()),
}


def _deep() -> Any:
    value: Any = []
    for _ in range(500):
        value = [value]
    return [{"node": value}]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_made_up_description_runs_nothing(attack: str, saved: Path) -> None:
    _edit(saved, ATTACKS[attack])
    with pytest.raises(CheckpointError, match="is damaged or unsafe"):
        CompressedModel.load(saved)
    assert MARK not in os.environ


def test_text_in_arguments_is_never_code(saved: Path) -> None:
    quote = '"+' + CODE + "+'"
    _edit(saved, _set("call_function", kwargs={"mode": quote}))
    # The text reaches the operator as text, which refuses it when it runs.
    module = CompressedModel.load(saved).module
    with pytest.raises((TypeError, NotImplementedError, ValueError)):
        module(torch.zeros(1, 3, 8, 8))
    assert MARK not in os.environ


def test_the_vocabulary_is_what_it_seems() -> None:
    from gancompress.export.vocabulary import function_name, functions, layers, methods

    assert functions()["torch.cat"] is torch.cat
    assert functions()["torch.nn.functional.max_pool2d"] is F.max_pool2d
    assert function_name(operator.floordiv) == "operator.floordiv"
    assert function_name(torch.load) is None
    homes = {name.rpartition(".")[0] for name in functions()}
    assert homes == {
        "torch",
        "torch.nn.functional",
        "torch.fft",
        "torch.linalg",
        "torch.special",
        "operator",
        "builtins",
        "math",
    }
    assert not [name for name in functions() if name.rpartition(".")[2].startswith("_")]
    assert not {"numpy", "map_", "apply_", "register_hook", "__class__", "storage"} & methods()
    assert {"view", "chunk", "clamp", "relu_", "numel"} <= methods()
    assert {"Conv2d", "PReLU", "MultiheadAttention"} <= set(layers())
    assert not {"Module", "Sequential", "ModuleList"} & set(layers())


def test_a_subnet_of_a_supernet_comes_back(tmp_path: Path) -> None:
    from gancompress.cost import measure_cost
    from gancompress.elastic import SearchSpace, Supernet
    from gancompress.export import export
    from gancompress.gan import ResNetGenerator
    from gancompress.graph import trace
    from gancompress.search import Trial

    x = torch.randn(1, 3, 16, 16)
    net = ResNetGenerator(width=16, blocks=1, norm="batch").eval()
    supernet = Supernet(trace(net, (x,)), SearchSpace.multiples_of(8))
    config = supernet.space.smallest()
    model = CompressedModel.from_supernet(supernet, config, card={"data": "maps"})
    assert model.cost == measure_cost(supernet.materialise(config), (x,))
    assert model.card == {"inputs": [{"shape": [1, 3, 16, 16], "dtype": "float32"}], "data": "maps"}
    trial = Trial(0, config, model.cost, 0.5)
    assert CompressedModel.from_supernet(supernet, trial).cost is trial.cost
    back = CompressedModel.load(model.save(tmp_path / "model"))
    supernet.activate(config).eval()
    with torch.no_grad():
        assert torch.equal(back.module(x), supernet(x))
    assert back.config == config
    assert export(back, tmp_path / "net.onnx").dynamic == "full"


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2


class ThroughNumPy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() * 2)


class Gain(nn.Module):
    """A layer of one's own that holds a weight and calls a function of one's own."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.randn(16, 1, 1))
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function.apply(x * self.gain)


def supernet_with(function: Any) -> Any:
    from gancompress.elastic import Supernet
    from gancompress.graph import (
        Layout,
        OpCall,
        OpRule,
        Part,
        add_part,
        along,
        channel_ids,
        trace,
    )

    class GainRule(OpRule):
        modules = (Gain,)

        def apply(self, call: OpCall) -> Layout:
            ids = channel_ids(call.layouts[0], 1, call.channels)
            add_part(call, Part("gain", {"gain": (ids, None, None)}, ids, ids))
            return along(ids, 1, call.shape)

    net = nn.Sequential(nn.Conv2d(3, 16, 1), Gain(function), nn.Conv2d(16, 3, 1)).eval()
    return Supernet(trace(net, (torch.randn(1, 3, 4, 4),), rules=[GainRule()]))


def test_layers_and_functions_of_ones_own_are_spelt_out(tmp_path: Path) -> None:
    supernet = supernet_with(Twice)
    config = supernet.space.smallest()
    x = torch.randn(2, 3, 5, 5)
    model = CompressedModel.from_supernet(supernet, config)
    back = CompressedModel.load(model.save(tmp_path / "model"))
    with torch.no_grad():
        assert torch.equal(back.module(x), supernet.materialise(config)(x))
    assert back.module.get_parameter("1.gain").shape == (8, 1, 1)
    # In the supernet they stay what they are.
    assert isinstance(supernet.materialise(config).get_submodule("1"), Gain)


class Leaves(nn.Module):
    """Leaves torch in the middle of its own forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 3, 1)

    def forward(self, x: Tensor) -> Any:
        return self.leave(ThroughNumPy.apply(self.enter(x)))  # type: ignore[no-untyped-call]


def test_a_root_that_cannot_be_spelt_out_stays_as_it_is(tmp_path: Path) -> None:
    from gancompress.elastic import Supernet
    from gancompress.graph import trace

    x = torch.randn(1, 3, 4, 4)
    supernet = Supernet(trace(Leaves().eval(), (x,)))
    model = CompressedModel.from_supernet(supernet, supernet.space.largest())
    with torch.no_grad():
        assert torch.equal(model.module(x), supernet(x))
    with pytest.raises(ExportError, match="ThroughNumPy', which a file may not name"):
        model.save(tmp_path / "model")


def test_what_cannot_be_spelt_out_runs_here_and_is_not_saved(tmp_path: Path) -> None:
    supernet = supernet_with(ThroughNumPy)
    config = supernet.space.smallest()
    x = torch.randn(2, 3, 5, 5)
    model = CompressedModel.from_supernet(supernet, config)
    with torch.no_grad():
        assert torch.equal(model.module(x), supernet.materialise(config)(x))
    with pytest.raises(ExportError, match="'1' is a 'Gain', which no file can describe"):
        model.save(tmp_path / "model")


def test_keyword_inputs_leave_no_shapes_in_the_card() -> None:
    from gancompress.elastic import Supernet
    from gancompress.graph import trace

    net = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 3, 1)).eval()
    supernet = Supernet(trace(net, (), {"input": torch.randn(1, 3, 4, 4)}))
    model = CompressedModel.from_supernet(supernet, supernet.space.largest())
    assert model.card == {}
    assert model.cost.macs == 16 * (48 + 48)
