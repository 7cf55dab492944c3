"""What is ignored keeps every channel, and an entry that selects nothing is an error."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from generators.test_generators import BY_NAME, call, equal, inputs, original
from torch import Tensor, nn

import gancompress
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import AnalysisError
from gancompress.graph import IgnoredScope, TracedGenerator, analyse, trace
from gancompress.passes import Decompose, FoldReparametrisation, SortChannels, run_passes


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x).relu())


class Rooted(nn.Module):
    """Has no layer, and reads channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(x.abs() + 1)


class Net(nn.Module):
    """enter → body of two blocks → up → rooted → middle → leave."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(Block(), Block())
        self.up = nn.ConvTranspose2d(8, 6, 4, 2, 1)
        self.rooted = Rooted()
        self.middle = nn.Conv2d(6, 5, 1)
        self.alias = self.middle
        self.leave = nn.Conv2d(5, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.leave(self.middle(self.rooted(self.up(self.body(self.enter(x))))))
        return result


@pytest.fixture(scope="module")
def traced() -> TracedGenerator:
    torch.manual_seed(0)
    return trace(Net().eval(), (torch.randn(1, 3, 8, 8),))


def reasons(traced: TracedGenerator, **entries: Any) -> dict[str, str | None]:
    graph = analyse(traced, ignored=IgnoredScope(**entries), verify=True)
    return {group.key: group.frozen for group in graph.groups}


STREAM = {"enter": None, "body.0.first": None, "body.1.first": None, "up": None, "middle": None}


@pytest.mark.parametrize(
    ("entries", "frozen"),
    [
        ({"names": ["up"]}, {"enter": "up", "up": "up"}),
        ({"names": ["middle"]}, {"up": "middle", "middle": "middle"}),
        ({"names": ["alias"]}, {"up": "middle", "middle": "middle"}),
        ({"names": ["body.1.first"]}, {"enter": "body.1.first", "body.1.first": "body.1.first"}),
        ({"names": ["body.1"]}, {"enter": "body.1", "body.1.first": "body.1"}),
        (
            {"names": ["body"]},
            {"enter": "body", "body.0.first": "body", "body.1.first": "body"},
        ),
        ({"names": ["rooted"]}, {"up": "rooted"}),
        (
            {"patterns": [r"body\.\d\.first"]},
            {"enter": "body.0.first", "body.0.first": "body.0.first",
             "body.1.first": "body.1.first"},
        ),
        ({"types": ["ConvTranspose2d"]}, {"enter": "up", "up": "up"}),
        ({"types": ["Rooted"]}, {"up": "rooted"}),
        ({"types": ["Net"]}, dict.fromkeys([*STREAM, "leave"], "")),
        (
            {"names": ["middle"], "types": ["Rooted"], "patterns": ["up"]},
            {"enter": "up", "up": "up", "middle": "middle"},
        ),
        ({}, {}),
    ],
)  # fmt: skip
def test_what_is_selected_keeps_its_inputs_and_outputs(
    traced: TracedGenerator, entries: dict[str, Any], frozen: dict[str, str]
) -> None:
    expected = {**STREAM, "leave": "network output"}
    expected |= {key: f"'{module}' is ignored on request" for key, module in frozen.items()}
    assert reasons(traced, **entries) == expected


@pytest.mark.parametrize(
    ("entries", "sentence", "hint"),
    [
        ({"names": ["midle"]}, "no module of the generator is named 'midle'", "'middle'"),
        ({"names": ["middle", "absent.7"]}, "named 'absent.7'", "there are 'enter', "),
        ({"patterns": ["body"], "names": ["iddle"]}, "named 'iddle'", "'middle'"),
        ({"patterns": ["mid"]}, "the pattern 'mid' matches no path", "'middle'"),
        ({"patterns": [r"body\.7"]}, r"pattern 'body\.7' matches", "'body.0'"),
        ({"types": ["Conv2D"]}, "is of type 'Conv2D'", "'Conv2d'"),
        ({"types": ["conv"]}, "is of type 'conv'", "'Conv2d'"),
    ],
)
def test_an_entry_that_selects_nothing_is_an_error(
    traced: TracedGenerator, entries: dict[str, Any], sentence: str, hint: str
) -> None:
    scope = IgnoredScope(**entries)
    for work in (
        lambda: analyse(traced, ignored=scope),
        lambda: Supernet(traced, ignored=scope),
        lambda: run_passes(traced, [SortChannels(ignored=scope)]),
        lambda: run_passes(traced, [Decompose("none", ignored=scope)]),
    ):
        with pytest.raises(AnalysisError) as caught:
            work()
        assert sentence in caught.value.message
        assert hint in caught.value.hint


def test_entries_are_lists_and_patterns_are_expressions() -> None:
    with pytest.raises(AnalysisError, match="'model' is one word where 'names' takes several"):
        IgnoredScope(names="model")
    with pytest.raises(AnalysisError, match=r"'a\(' is no regular expression: missing \)"):
        IgnoredScope(patterns=["b", "a("])
    # A value: it can be compared and hashed, and lists are as good as tuples.
    assert len({IgnoredScope(names=["a"]), IgnoredScope(names=("a",))}) == 1
    assert gancompress.IgnoredScope is IgnoredScope


def test_an_ignored_layer_is_neither_sorted_nor_narrowed(traced: TracedGenerator) -> None:
    scope = IgnoredScope(names=["up"])
    prepared = run_passes(traced, [SortChannels(ignored=scope)])
    before, after = traced.module.state_dict(), prepared.module.state_dict()
    kept = [name for name in before if name.startswith(("up", "enter"))]
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert not torch.equal(before["middle.weight"], after["middle.weight"])
    supernet = Supernet(prepared, SearchSpace.multiples_of(1), ignored=scope)
    assert set(supernet.space.choices) == {"body.0.first", "body.1.first", "middle"}
    narrow = supernet.materialise(supernet.space.smallest())
    assert narrow.get_submodule("up").weight.shape == (8, 6, 4, 4)  # type: ignore[union-attr]


def test_an_ignored_layer_is_not_decomposed(traced: TracedGenerator) -> None:
    def layers(*names: str, selected: Any = "resblocks") -> set[str]:
        scope = IgnoredScope(names=names)
        found = run_passes(traced, [Decompose(selected, ignored=scope)]).module
        return {
            path.removesuffix(".depthwise")
            for path, _ in found.named_modules()
            if path.endswith(".depthwise")
        }

    both = {f"body.{block}.{name}" for block in "01" for name in ("first", "second")}
    assert layers() == both
    assert layers("body.0.second") == both - {"body.0.second"}
    assert layers("body.1") == {"body.0.first", "body.0.second"}
    assert layers("body") == set()
    assert layers("body.1", selected=["body.0.first"]) == {"body.0.first"}
    with pytest.raises(AnalysisError, match=r"'body.1.first' is to be decomposed, and to be ign"):
        layers("body.1", selected=["body.0.first", "body.1.first"])


def test_what_passes_have_made_can_be_named_too(traced: TracedGenerator) -> None:
    student = run_passes(traced, [Decompose(["up"])])
    assert reasons(student, names=["up.depthwise"])["up.pointwise"] is not None
    # What the generator had before still selects what has come of it.
    assert reasons(student, types=["ConvTranspose2d"])["enter"] == "'up' is ignored on request"


def test_coverage_names_the_request(traced: TracedGenerator) -> None:
    coverage = analyse(traced, ignored=IgnoredScope(names=["up"])).coverage()
    assert coverage.elastic + coverage.coupled + coverage.frozen == coverage.total
    weights = sum(p.numel() for p in traced.module.get_submodule("up").parameters())
    assert coverage.reasons["'up' is ignored on request"].params >= weights


PASSES: tuple[Callable[[IgnoredScope], Any], ...] = (
    lambda scope: FoldReparametrisation(),
    lambda scope: Decompose("resblocks", ignored=scope),
    lambda scope: SortChannels(ignored=scope),
)
NAMES = sorted(name for name, case in BY_NAME.items() if not case.xfail)


@pytest.mark.parametrize("name", NAMES)
def test_a_random_layer_of_any_generator_can_be_ignored(name: str) -> None:
    case = BY_NAME[name]
    found = trace(original(case), *inputs(case))
    rng = random.Random(NAMES.index(name))  # noqa: S311 - repeatable, not secret
    calls = found.module.graph.find_nodes(op="call_module")
    layers = {str(node.target): found.module.get_submodule(str(node.target)) for node in calls}
    weighty = {path for path, layer in layers.items() if list(layer.parameters())}
    path = rng.choice(sorted(weighty))
    if "." in path and rng.random() < 0.5:
        path = path.rpartition(".")[0]  # a container, often a list or a sequence
    scope = IgnoredScope(names=[path])

    prepared = run_passes(found, [make(scope) for make in PASSES])
    net = Supernet(prepared, SearchSpace.multiples_of(1), ignored=scope)

    kept = {one for one in weighty if one == path or one.startswith(f"{path}.")}
    assert kept == scope.layers(prepared) & weighty
    for group in net.graph.groups:
        touched = kept.intersection((*group.producers, *group.consumers))
        assert not touched or group.frozen, (group.key, touched)
    for layer in kept & set(net.graph.members):
        member = net.graph.members[layer]
        arrays = [ids for axes in member.axes.values() for ids in axes if ids is not None]
        assert all((ids < 0).all() for ids in (*arrays, member.inputs, member.outputs))
    args, kwargs = inputs(case)
    for config in (net.space.smallest(), net.sample(rng)):
        alone = net.materialise(config)
        assert equal(call(net.activate(config), args, kwargs), call(alone, args, kwargs))
        for layer in kept:
            full, now = (n.get_submodule(layer).state_dict() for n in (net.net, alone))
            assert all(torch.equal(full[key], now[key]) for key in full)
