"""The small nets of the contestants that do not search: narrow ones, and pruned ones."""

import copy
import importlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import torch
from benchmarks.compare_front_ends import output_layers, tensors
from benchmarks.quality.work import Work
from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from gancompress.compress.configure import override
from gancompress.config import RunConfig
from gancompress.cost import Budget, Cost, measure_cost
from gancompress.cost.macs import count_macs
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import BudgetError
from gancompress.graph import trace
from gancompress.search.candidates import Candidates

NetT = TypeVar("NetT", bound=nn.Module)
DIVISORS: Final = (8, 4, 2, 1)
# Multiples of eight channels are used where they leave no more than a tenth of the budget.
NEAR: Final = 0.9
_BISECTIONS: Final = 8


def published(config: RunConfig) -> RunConfig:
    """Return settings with the published architecture of students: separable, a norm between.

    Args:
        config: Names the layers.
    """
    return override(config, {"decompose": {"norm_between": True, "fit": 0}})


def narrow(work: Work, budget: int) -> nn.Module:
    """Narrow all widths of the published student's architecture alike, to fit the budget.

    Published students are separable where their supernets are, which at the same MACs leaves
    wider layers than the teacher's own convolutions would.

    Args:
        work: Gives the teacher's architecture.
        budget: By how much fewer MACs than the teacher's.

    Returns:
        The net with weights that mean nothing yet.
    """
    traced = work.decomposed(published(work.config))
    limit = work.macs / budget

    def nets() -> Iterable[tuple[nn.Module, int]]:
        for divisor in DIVISORS:
            supernet = Supernet(traced, SearchSpace.multiples_of(divisor, smallest=1 / 256))
            space = Candidates(
                supernet.space.choices,
                Budget(macs=limit),
                lambda config, net=supernet: _priced(work, net.materialise(config)),
            )
            chosen = space.fit(space.widest)
            yield supernet.materialise(space.config(chosen)), space.cost(chosen).macs

    return _nearest(nets(), limit)


def prune(work: Work, budget: int) -> nn.Module:
    """Prune the teacher with Torch-Pruning as its README shows, to fit the budget.

    Every layer loses the same share of its channels, those of the smallest group norm.

    Args:
        work: Gives the teacher, whose weights are made plain before.
        budget: By how much fewer MACs than the teacher's.
    """
    limit = work.macs / budget

    def nets() -> Iterable[tuple[nn.Module, int]]:
        for divisor in DIVISORS:
            low, high = 0.0, 1.0
            best: tuple[nn.Module, int] | None = None
            for _ in range(_BISECTIONS):
                ratio = (low + high) / 2
                net = _pruned(work, ratio, divisor)
                macs = count_macs(net, work.teacher.example_inputs).true
                if macs <= limit:
                    high, best = ratio, (net, macs)
                else:
                    low = ratio
            if best is not None:
                yield best

    return _nearest(nets(), limit)


def alone(work: Work, net: nn.Module) -> Supernet:
    """Wrap a net of fixed widths as a student that `distill` can train.

    Args:
        work: Gives example inputs.
        net: In eval mode.
    """
    return Supernet(trace(net.eval(), work.teacher.example_inputs), SearchSpace({}))


def reaching(work: Work, config: RunConfig, budget: int) -> RunConfig:
    """Allow narrower widths until the budget of a search can be met.

    Args:
        work: Gives the teacher.
        config: Settings, whose space comes first; as long as it is too wide, its smallest width
            and its divisor are halved.
        budget: By how much fewer MACs than the teacher's.
    """
    traced = work.decomposed(config)
    while True:
        space = config.space
        rule = SearchSpace.multiples_of(
            space.divisor, smallest=space.smallest, largest=space.largest
        )
        supernet = Supernet(traced, rule)
        smallest = supernet.materialise(supernet.space.smallest())
        if _priced(work, smallest).macs <= work.macs / budget:
            return config
        if space.divisor == 1 and space.smallest < 1 / 256:
            raise BudgetError("no space reaches the budget", hint="decompose more layers")
        changes = {"divisor": max(1, space.divisor // 2), "smallest": space.smallest / 2}
        config = override(config, {"space": changes})


def cost_of(work: Work, net: nn.Module) -> Cost:
    """Measure what a net costs on one picture."""
    return measure_cost(net, work.teacher.example_inputs)


def _priced(work: Work, net: nn.Module) -> Cost:
    """Measure the MACs alone, which takes a fraction of the time."""
    macs = count_macs(net, work.teacher.example_inputs)
    return Cost(macs=macs.true, macs_published=macs.published, params=0)


def _nearest(nets: Iterable[tuple[NetT, int]], limit: float) -> NetT:
    """Return the first net that comes near to the limit; where none does, the nearest one."""
    found: NetT | None = None
    largest = 0
    for net, macs in nets:
        if largest < macs <= limit:
            found, largest = net, macs
        if largest >= NEAR * limit:
            break
    if found is None:
        raise BudgetError("no net fits the budget", hint="raise the budget")
    return found


def _pruned(work: Work, ratio: float, divisor: int) -> nn.Module:
    torch_pruning: Any = importlib.import_module("torch_pruning")
    net = copy.deepcopy(work.folded.module).eval().requires_grad_(requires_grad=True)
    inputs = work.teacher.example_inputs
    made: Callable[..., Any] = torch_pruning.pruner.BasePruner
    pruner = made(
        net,
        example_inputs=inputs,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        # Without a bound of its own it may take the last channel of a layer.
        max_pruning_ratio=1.0 - 1e-6,
        ignored_layers=output_layers(net, (inputs, {})),
        round_to=None if divisor == 1 else divisor,
        output_transform=tensors,
        # Its defaults are dictionaries that all pruners of a process share.
        in_channel_groups={},
        out_channel_groups={},
        num_heads={},
    )
    pruner.step()
    _tell_norms(net, inputs)
    return net.eval()


def _tell_norms(net: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Tell instance norms without weights how many channels they have: the pruner does not."""

    def note(norm: nn.Module, args: tuple[Any, ...]) -> None:
        norm.num_features = args[0].shape[1]  # type: ignore[assignment]

    norms = [one for one in net.modules() if isinstance(one, _InstanceNorm) and not one.affine]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    with torch.no_grad():
        net(*inputs)
    for hook in hooks:
        hook.remove()


def share(macs: int, work: Work, budget: int) -> float:
    """Return how much of the budget a net takes.

    Args:
        macs: True MACs of the net.
        work: Gives the teacher.
        budget: By how much fewer MACs than the teacher's.
    """
    return macs * budget / work.macs
