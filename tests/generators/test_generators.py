"""Every generator of the table goes from a module to a supernet with no code written for it."""

import copy
import importlib
import inspect
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from generators.case import Case
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from gancompress.cost.macs import count_macs
from gancompress.elastic import SearchSpace, SubnetConfig, Supernet
from gancompress.elastic.slices import slices_of, take
from gancompress.graph import ChannelGraph, TracedGenerator, analyse, trace
from gancompress.graph.flow import Work, flow
from gancompress.graph.values import copy_module
from gancompress.graph.verify import failing_groups
from gancompress.passes import run_passes

SUBNETS = 8

FAMILIES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in {"case", "conftest"} and not path.stem.startswith("test_")
)
CASES: tuple[Case, ...] = tuple(
    case for family in FAMILIES for case in importlib.import_module(f"generators.{family}").CASES
)
BY_NAME = {case.name: case for case in CASES}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for each case that it applies to; where a case has a gap, it has to fail."""
    if "case" not in metafunc.fixturenames:
        return
    test = metafunc.function.__name__
    needs = getattr(metafunc.function, "needs", "name")
    params = []
    for case in (case for case in CASES if getattr(case, needs)):
        gap = case.xfail and test.endswith(tuple(case.gap.split(", ")))
        marks = [pytest.mark.xfail(reason=case.xfail, strict=True)] if gap else []
        params.append(pytest.param(case, id=case.name, marks=marks))
    metafunc.parametrize("case", params)


def only_where(field: str) -> Any:
    """Limit a test to the cases that have a field set."""

    def mark(test: Any) -> Any:
        test.needs = field
        return test

    return mark


def original(case: Case) -> nn.Module:
    """Make the generator, with weights and statistics that hide nothing by being 0 or 1."""
    torch.manual_seed(0)
    net = case.make().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        for name, buffer in net.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(torch.randn_like(buffer), alpha=0.1)
            if name.endswith("running_var"):
                buffer.mul_(torch.rand_like(buffer) + 0.5)
    return net


def inputs(case: Case) -> tuple[tuple[Any, ...], dict[str, Any]]:
    torch.manual_seed(1)
    return case.args(), case.kwargs()


@cache
def _made(case_name: str) -> nn.Module:
    return original(BY_NAME[case_name])


@cache
def traced(case_name: str) -> TracedGenerator:
    return trace(_made(case_name), *inputs(BY_NAME[case_name]))


@cache
def _supernet(case_name: str) -> Supernet:
    passes = [make() for make in BY_NAME[case_name].passes]
    return Supernet(run_passes(traced(case_name), passes), SearchSpace.multiples_of(1))


def supernet(case: Case) -> Supernet:
    """Return a supernet that is the test's own."""
    return copy.deepcopy(_supernet(case.name))


def subnets(net: Supernet, count: int = SUBNETS) -> list[SubnetConfig]:
    rng = random.Random(0)  # noqa: S311 - repeatable, not secret
    return [net.space.smallest(), *(net.sample(rng) for _ in range(count - 1))]


def call(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Run a net on copies of its inputs, with the same noise each time; return all outputs."""
    args, kwargs = tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, (args, kwargs))
    torch.manual_seed(2)
    with torch.no_grad():
        return tree_leaves(net(*args, **kwargs))


def equal(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a, b) if isinstance(a, Tensor) else a == b
        for a, b in zip(left, right, strict=True)
    )


def shapes(outputs: list[Any]) -> list[Any]:
    return [out.shape if isinstance(out, Tensor) else out for out in outputs]


def runs_on(case: Case, changed: Any) -> None:
    """Compare the original, the widest subnet and a narrow one on changed inputs."""
    args, kwargs = tree_map(lambda v: changed(v) if isinstance(v, Tensor) else v, inputs(case))
    expected = call(original(case), args, kwargs)
    assert equal(call(traced(case.name).module, args, kwargs), expected)
    net = supernet(case)
    small = net.space.smallest()
    found = call(net.activate(small), args, kwargs)
    assert shapes(found) == shapes(expected)
    assert equal(call(net.materialise(small), args, kwargs), found)


def alive(found: TracedGenerator) -> TracedGenerator:
    """Drop what no output needs: the counter to compare with passes over it."""
    module = copy_module(found.module)
    if not module.graph.eliminate_dead_code():
        return found
    module.recompile()
    return found.with_module(module)


@cache
def _alive(case_name: str) -> ChannelGraph:
    net = _supernet(case_name)
    found = alive(net.traced)
    return net.graph if found is net.traced else analyse(found)


@cache
def _work(case_name: str) -> Sequence[Work]:
    return flow(alive(_supernet(case_name).traced), ()).work


def measured_macs(net: nn.Module, case: Case) -> int:
    return count_macs(net, *inputs(case)).true


def test_tracing_gives_the_generator(case: Case) -> None:
    found = traced(case.name)
    found.module.graph.lint()
    assert equal(call(found.module, *inputs(case)), call(original(case), *inputs(case)))


def test_coverage_sums_to_the_whole(case: Case) -> None:
    net = _supernet(case.name)
    cover = net.graph.coverage()
    module = net.traced.module
    assert cover.total == cover.elastic + cover.coupled + cover.frozen
    assert cover.total.params == sum(p.numel() for p in module.parameters())
    assert _alive(case.name).coverage().total.macs == measured_macs(module, case)
    assert sum(share.macs for share in cover.reasons.values()) == cover.frozen.macs
    assert sum(share.params for share in cover.reasons.values()) == cover.frozen.params
    assert all(cover.reasons)


def test_elastic_share(case: Case) -> None:
    cover = _supernet(case.name).graph.coverage()
    share = cover.elastic.macs / cover.total.macs
    assert share >= case.elastic, f"{share:.3f} elastic; frozen: {dict(cover.reasons)}"


def test_the_widest_subnet_is_the_generator(case: Case) -> None:
    expected = call(original(case), *inputs(case))
    plain = Supernet(traced(case.name))
    assert equal(call(plain, *inputs(case)), expected)
    assert equal(call(plain.materialise(plain.space.largest()), *inputs(case)), expected)
    prepared = call(supernet(case), *inputs(case))
    for left, right in zip(prepared, expected, strict=True):
        if isinstance(right, Tensor):
            torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


@pytest.fixture
def _double() -> Iterator[None]:
    """Let generators that draw noise draw it in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_double")
def test_passes_keep_the_function_in_double_precision(case: Case) -> None:
    """Sorting channels, and folding before it, change the widest net by rounding only."""
    net = original(case).double()
    example = tree_map(
        lambda v: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v,
        inputs(case),
    )
    prepared = run_passes(trace(net, *example), [make() for make in case.passes])
    for left, right in zip(call(prepared.module, *example), call(net, *example), strict=True):
        if isinstance(right, Tensor):
            bound = 1e-10 * max(1.0, float(right.abs().max()))
            torch.testing.assert_close(left, right, rtol=0, atol=bound)


def test_passes_leave_their_input(case: Case) -> None:
    _supernet(case.name)  # the passes have run on the trace
    expected = call(original(case), *inputs(case))
    assert equal(call(_made(case.name), *inputs(case)), expected)
    assert equal(call(traced(case.name).module, *inputs(case)), expected)


def test_materialised_subnets_equal_activated_ones(case: Case) -> None:
    net = supernet(case)
    widest = shapes(call(net, *inputs(case)))
    for config in subnets(net):
        found = call(net.activate(config), *inputs(case))
        assert shapes(found) == widest
        assert equal(call(net.materialise(config), *inputs(case)), found)


def test_slicing_is_zeroing(case: Case) -> None:
    net = _supernet(case.name)
    assert failing_groups(net.traced, net.graph) == {}


def _active(net: Supernet, config: SubnetConfig) -> Any:
    return net._active(config)


def _axes(net: Supernet, name: str, tensor: Tensor) -> Any:
    """Return the units along each axis of a parameter, a layer's or one outside the layers."""
    path, _, own = name.rpartition(".")
    member = net.graph.members.get(path)
    axes = member.axes.get(own) if member else net.graph.tensors.get(name)
    return axes or (None,) * tensor.ndim


def test_cost_is_the_predicted_one(case: Case) -> None:
    net = supernet(case)
    config = subnets(net, 2)[-1]
    active = _active(net, config)
    small = net.materialise(config)
    sizes = {}
    for path, layer in net.net.named_modules():
        for own, tensor in layer.named_parameters(recurse=False, remove_duplicate=False):
            name = f"{path}.{own}".lstrip(".")
            sizes[name] = take(tensor, slices_of(_axes(net, name, tensor), active)).numel()
    found = dict(small.named_parameters(remove_duplicate=False))
    assert {name: p.numel() for name, p in found.items()} == sizes

    full = dict(net.net.named_parameters(remove_duplicate=False))
    # Products without a layer's weights follow their operands: count those of the small net.
    functions = 0
    if any(not work.path for work in _work(case.name)):
        again = alive(trace(small, *inputs(case)))
        functions = sum(work.macs for work in flow(again, ()).work if not work.path)
    layers = sum(
        # What is opaque has no weight of its own, and stays whole.
        work.macs
        * sizes.get(f"{work.path}.weight", 1)
        // (full[f"{work.path}.weight"].numel() if f"{work.path}.weight" in full else 1)
        for work in _work(case.name)
        if work.path
    )
    assert measured_macs(small, case) == layers + functions


@only_where("batch")
def test_another_batch_size(case: Case) -> None:
    runs_on(case, lambda v: torch.cat([v, v, v.flip(0)]) if v.ndim else v)


@only_where("size")
def test_another_size(case: Case) -> None:
    runs_on(case, lambda v: torch.cat([v, v.flip(-1)], -1) if v.ndim > 2 else v)


def test_copies_and_state_dicts(case: Case) -> None:
    net = supernet(case)
    config = net.space.smallest()
    net.activate(config)
    for module in (net, net.materialise(config)):
        expected = call(module, *inputs(case))
        state = {name: value.clone() for name, value in module.state_dict().items()}
        other = copy.deepcopy(module)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1)
        assert equal(call(module, *inputs(case)), expected)
        other.load_state_dict(state)
        assert equal(call(other, *inputs(case)), expected)
    assert list(net.state_dict()) == list(net.traced.module.state_dict())


def test_train_and_eval(case: Case) -> None:
    net = supernet(case)
    config = net.space.smallest()
    net.activate(config)
    args, kwargs = tree_map(
        # One picture is too little for some statistics in training mode.
        lambda v: torch.cat([v, v]) if case.batch and isinstance(v, Tensor) and v.ndim else v,
        inputs(case),
    )
    for module in (net, net.materialise(config)):
        expected = call(module, *inputs(case))
        state = {name: value.clone() for name, value in module.state_dict().items()}
        outputs = call(module.train(), args, kwargs)
        assert all(torch.isfinite(out).all() for out in outputs if isinstance(out, Tensor))
        assert all(layer.training for layer in module.modules() if layer is not net)
        module.load_state_dict(state)
        assert equal(call(module.eval(), *inputs(case)), expected)


@only_where("export")
def test_export(case: Case) -> None:
    net = supernet(case)
    small = net.materialise(subnets(net, 2)[-1])
    args, kwargs = inputs(case)
    expected = call(small, args, kwargs)
    # torch.export wants inputs by name in the order of the signature.
    names = inspect.signature(small.forward).parameters
    kwargs = {name: kwargs[name] for name in names if name in kwargs}
    with torch.no_grad():
        exported = torch.export.export(small, args, kwargs).module()
    found = call(exported, args, kwargs)
    for left, right in zip(found, expected, strict=True):
        if isinstance(right, Tensor):
            torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-5)


def _descend(net: nn.Module, case: Case) -> None:
    """Leave the gradients of a loss that weighs every output at random."""
    args, kwargs = inputs(case)
    torch.manual_seed(2)
    outputs = net(*args, **kwargs)
    leaves = [o for o in tree_leaves(outputs) if isinstance(o, Tensor) and o.requires_grad]
    generator = torch.Generator().manual_seed(3)
    loss = sum((out * torch.randn(out.shape, generator=generator)).sum() for out in leaves)
    loss.backward()


def test_one_step_moves_every_active_weight(case: Case) -> None:
    net = supernet(case)
    config = subnets(net, 2)[-1]
    active = _active(net, config)
    small = net.materialise(config)
    _descend(small, case)
    before = {name: p.detach().clone() for name, p in net.net.named_parameters()}
    _descend(net.activate(config), case)
    torch.optim.Adam(net.parameters(), lr=0.01).step()

    reached = 0
    reference = dict(small.named_parameters())
    for name, parameter in net.net.named_parameters():
        slices = slices_of(_axes(net, name, parameter), active)
        moved = parameter.detach() != before[name]
        gradient = reference[name].grad
        if gradient is None:
            assert not moved.any(), name
            continue
        reached += 1
        assert take(moved, slices)[gradient.abs() > 1e-6].all(), name
        assert int(moved.sum()) == int(take(moved, slices).sum()), name
    assert reached


@pytest.mark.slow
@only_where("compile")
def test_compile(case: Case) -> None:
    net = supernet(case)
    small = net.materialise(subnets(net, 2)[-1])
    compiled = torch.compile(small)
    found = call(compiled, *inputs(case))
    for left, right in zip(found, call(small, *inputs(case)), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


def test_the_table_is_sound() -> None:
    assert len(BY_NAME) == len(CASES), "two cases have one name"
    assert sum(case.compile for case in CASES) == 4
