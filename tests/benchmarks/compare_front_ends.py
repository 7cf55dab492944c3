"""Which generators of the table does each front end handle?

Run it as ``python tests/benchmarks/compare_front_ends.py [--json] [GENERATOR …]``. Every generator
of ``tests/generators`` goes through three tools, each with the same fresh weights and inputs:

- ``torch.fx.symbolic_trace``. Handled: the traced net gives the generator's outputs.
- Torch-Pruning (Fang et al. 2023, arXiv 2301.12900): half of the channels of every layer that it
  can prune, ranked by group magnitude. Handled: the pruned net runs, its outputs have the
  generator's shapes, and some weights are gone.
- gancompress: trace, the passes that the table names, a supernet, every group at the width nearest
  to half. Handled: as for Torch-Pruning, of the materialised net.

No tool is told anything about a particular generator. Torch-Pruning has to be told which layers
make the output: it gets those that autograd finds there. It also gets plain weights where they are
computed from others (spectral norm), activations that do not work in place (it loses track of a
norm before one), and a second attempt with random instead of ranked channels where ranking fails.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import platform
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves, tree_map

sys.path.insert(0, str(Path(__file__).parents[1]))

from generators.case import Case

from gancompress.cost.macs import count_macs
from gancompress.elastic import SearchSpace, SubnetConfig, Supernet
from gancompress.graph import trace
from gancompress.passes import run_passes
from gancompress.passes.fold import _fold_hooks, _fold_parametrizations

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What became of one generator in one tool.

    Args:
        handled: Whether the tool did its work; None where it is not installed.
        reason: Why not.
        params: Share of the parameters that is gone, of a net that was narrowed.
        macs: Share of the true multiply-accumulates that is gone, likewise.
    """

    handled: bool | None
    reason: str = ""
    params: float | None = None
    macs: float | None = None


class NotHandledError(Exception):
    """A tool came to an end, but not to a usable net."""


def cases() -> dict[str, Case]:
    """Return the table of generators by name."""
    folder = Path(__file__).parents[1] / "generators"
    names = [path.stem for path in sorted(folder.glob("*.py")) if path.stem[:5] != "test_"]
    modules = [importlib.import_module(f"generators.{name}") for name in names]
    return {case.name: case for module in modules for case in getattr(module, "CASES", ())}


def made(case: Case) -> tuple[nn.Module, Inputs]:
    """Make a generator in eval mode, and its inputs; the same ones at every call."""
    torch.manual_seed(0)
    net = case.make().eval()
    torch.manual_seed(1)
    return net, (case.args(), case.kwargs())


def call(net: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Run a net on copies of its inputs, with the same noise each time; return all tensors."""
    args, kwargs = tree_map(lambda v: v.clone() if isinstance(v, Tensor) else v, inputs)
    torch.manual_seed(2)
    with torch.no_grad():
        return tensors(net(*args, **kwargs))


def tensors(tree: Any) -> list[Tensor]:
    """Return the tensors of nested values, in their order."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def by_symbolic_trace(case: Case) -> Outcome:
    """Trace with torch alone, and compare the outputs."""
    net, inputs = made(case)
    expected = call(net, inputs)
    traced = fx.symbolic_trace(net)
    # What the traced net keeps of drawn numbers would be the same by chance of the seed.
    found = call(traced, inputs)
    same = len(found) == len(expected) and all(map(torch.equal, found, expected))
    if not same:
        raise NotHandledError("the traced net gives other outputs")
    return Outcome(handled=True)


def by_torch_pruning(case: Case) -> Outcome:
    """Remove half of the channels with Torch-Pruning; where ranking them fails, any half."""
    if importlib.util.find_spec("torch_pruning") is None:
        return Outcome(handled=None, reason="torch-pruning is not installed")
    importance = importlib.import_module("torch_pruning").importance
    try:
        return pruned(case, importance.GroupMagnitudeImportance(p=2))
    except TimeoutError:
        raise
    except Exception:  # noqa: BLE001 - what fails is told of the second attempt
        return pruned(case, importance.RandomImportance())


def pruned(case: Case, importance: Any) -> Outcome:
    """Use Torch-Pruning as its README shows."""
    net, inputs = made(case)
    original, _ = made(case)
    for layer in list(net.modules()):
        _fold_parametrizations(layer)
        _fold_hooks(layer)
        if hasattr(layer, "inplace"):
            layer.inplace = False
    args, kwargs = inputs
    pruner = importlib.import_module("torch_pruning").pruner.BasePruner(
        net.requires_grad_(),
        example_inputs=args,
        importance=importance,
        pruning_ratio=0.5,
        ignored_layers=output_layers(net, inputs),
        forward_fn=(lambda model, given: model(*given, **kwargs)) if kwargs else None,
        output_transform=tensors,
        # Its defaults are dictionaries that all pruners of a process share.
        in_channel_groups={},
        out_channel_groups={},
        num_heads={},
    )
    pruner.step()
    return narrowed(original, net, inputs)


def output_layers(net: nn.Module, inputs: Inputs) -> list[nn.Module]:
    """Return the layers with no other layer that has weights between them and an output."""
    made_by: dict[Any, nn.Module] = {}

    def note(layer: nn.Module, _args: Any, output: Any) -> None:
        for tensor in tensors(output):
            if tensor.grad_fn is not None:
                made_by[tensor.grad_fn] = layer

    layers = [m for m in net.modules() if any(p.ndim > 1 for p in m.parameters(recurse=False))]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    args, kwargs = inputs
    outputs = tensors(net(*args, **kwargs))
    for hook in hooks:
        hook.remove()
    found: dict[nn.Module, None] = {}
    waiting = [out.grad_fn for out in outputs]
    seen = set()
    while waiting:
        function = waiting.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        if function in made_by:
            found[made_by[function]] = None
        else:
            waiting.extend(before for before, _ in function.next_functions)
    return list(found)


def by_gancompress(case: Case) -> Outcome:
    """Narrow every group to the width nearest to half."""
    net, inputs = made(case)
    traced = run_passes(trace(net, *inputs), [make() for make in case.passes])
    supernet = Supernet(traced, SearchSpace.multiples_of(1))
    half = {
        key: min(widths, key=lambda width: abs(2 * width - widths[-1]))
        for key, widths in supernet.space.choices.items()
    }
    return narrowed(net, supernet.materialise(SubnetConfig(half)), inputs)


def narrowed(original: nn.Module, small: nn.Module, inputs: Inputs) -> Outcome:
    """Run a narrow net, and say how much of the original is gone."""
    expected, found = call(original, inputs), call(small, inputs)
    if [out.shape for out in found] != [out.shape for out in expected]:
        raise NotHandledError("the outputs have other shapes")
    before, after = (sum(p.numel() for p in net.parameters()) for net in (original, small))
    if after >= before:
        raise NotHandledError("no channel was removed")
    work = [count_macs(net, *inputs).true for net in (original, small)]
    return Outcome(handled=True, params=1 - after / before, macs=1 - work[1] / max(work[0], 1))


TOOLS: dict[str, Callable[[Case], Outcome]] = {
    "symbolic_trace": by_symbolic_trace,
    "Torch-Pruning": by_torch_pruning,
    "gancompress": by_gancompress,
}


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what runs longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"it takes more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(tool: Callable[[Case], Outcome], case: Case, seconds: float) -> Outcome:
    """Let a tool try; whatever goes wrong is its outcome."""
    silence = contextlib.redirect_stdout(io.StringIO())
    try:
        with warnings.catch_warnings(), silence, at_most(seconds):
            warnings.simplefilter("ignore")
            return tool(case)
    except Exception as error:  # noqa: BLE001 - any failure is a result here
        text = str(error).strip().splitlines()
        kind = "" if isinstance(error, NotHandledError) else f"{type(error).__name__}: "
        return Outcome(handled=False, reason=kind + (text[0] if text else "no message"))


def versions() -> dict[str, str]:
    """Return the versions of everything that the figures depend on."""
    found = {"python": platform.python_version()}
    for name in ("torch", "torch-pruning", "gancompress"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def cell(outcome: Outcome) -> str:
    """Write an outcome into a cell of the table."""
    if outcome.handled is None:
        return "not installed"
    if not outcome.handled:
        return "no"
    if outcome.params is None or outcome.macs is None:
        return "yes"
    return f"yes: −{outcome.params:.0%} parameters, −{outcome.macs:.0%} MACs"


def total(outcomes: Sequence[Outcome]) -> str:
    """Count what a tool handled."""
    if any(outcome.handled is None for outcome in outcomes):
        return "not installed"
    return f"{sum(bool(outcome.handled) for outcome in outcomes)} of {len(outcomes)}"


def markdown(rows: dict[str, dict[str, Outcome]]) -> str:
    """Write the table, the totals, the versions and the reasons."""
    totals = [total([row[tool] for row in rows.values()]) for tool in TOOLS]
    lines = [
        f"| generator | {' | '.join(TOOLS)} |",
        "|---" * (1 + len(TOOLS)) + "|",
        *(f"| {name} | {' | '.join(map(cell, row.values()))} |" for name, row in rows.items()),
        f"| **handled** | {' | '.join(f'**{one}**' for one in totals)} |",
        "",
        ", ".join(f"{name} {version}" for name, version in versions().items()),
        "",
    ]
    for tool in TOOLS:
        failed = {
            name: row[tool].reason for name, row in rows.items() if row[tool].handled is False
        }
        lines += [f"- {tool}, {name}: {reason[:160]}" for name, reason in failed.items()]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Compare the front ends and print what came of it."""
    table = cases()
    parser = argparse.ArgumentParser(description="Which generators does each front end handle?")
    parser.add_argument("generators", nargs="*", metavar="GENERATOR", help="names; all by default")
    parser.add_argument("--json", action="store_true", help="print JSON with reasons and shares")
    parser.add_argument(
        "--seconds", type=float, default=60, help="limit of each tool and generator"
    )
    given = parser.parse_args(words)
    unknown = sorted(set(given.generators) - set(table))
    if unknown:
        parser.error(f"there is no generator '{unknown[0]}': choose from {', '.join(table)}")
    rows = {
        name: {label: attempt(tool, table[name], given.seconds) for label, tool in TOOLS.items()}
        for name in given.generators or table
    }
    if given.json:
        plain = {
            name: {tool: asdict(one) for tool, one in row.items()} for name, row in rows.items()
        }
        print(json.dumps({"versions": versions(), "generators": plain}, indent=1))
    else:
        print(markdown(rows))


if __name__ == "__main__":
    main()
