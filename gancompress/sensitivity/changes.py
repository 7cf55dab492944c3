"""The single changes that are tried, and what is left out with the reason."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from gancompress.elastic import SearchSpace
from gancompress.errors import AnalysisError, ConfigError
from gancompress.graph import ChannelGraph, IgnoredScope, TracedGenerator
from gancompress.passes import decomposable


@dataclass(frozen=True)
class Change:
    """One thing that is done to the generator.

    Args:
        kind: ``decompose`` one layer, or ``narrow`` one group.
        target: Path of the layer, or key of the group.
        width: Units that the group keeps; 0 of a layer.
        units: Units that the group has; 0 of a layer.
        ratio: The ratio that was asked for; 0 of a layer.
    """

    kind: Literal["decompose", "narrow"]
    target: str
    width: int = 0
    units: int = 0
    ratio: float = 0.0

    @property
    def key(self) -> str:
        """A name, the same in every run."""
        return f"{self.kind} {self.target}" + (f" {self.width}" if self.width else "")


@dataclass(frozen=True)
class Plan:
    """What is tried.

    Args:
        changes: In the order of the net: layers first, then groups.
        skipped: Layers and groups that are not tried, with the reason.
    """

    changes: tuple[Change, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: "Plan") -> "Plan":
        return Plan((*self.changes, *other.changes), {**self.skipped, **other.skipped})


def plan_layers(
    traced: TracedGenerator, layers: Sequence[str], ignored: IgnoredScope | None
) -> Plan:
    """List the layers that can be decomposed.

    Args:
        traced: The generator, weights folded.
        layers: Layers to try, or modules with everything inside; empty for all.
        ignored: Layers that are left alone.
    """
    found = decomposable(traced, ignored)
    chosen = [path for path in found if _is_named([path], layers)]
    return Plan(tuple(Change("decompose", path) for path in chosen))


def plan_groups(
    graph: ChannelGraph, space: SearchSpace, ratios: Sequence[float], layers: Sequence[str]
) -> Plan:
    """List the widths that the groups are tried at: those of the space next to each ratio.

    Args:
        graph: The channel groups.
        space: Widths by group.
        ratios: Shares of the full width.
        layers: Groups that these layers start or feed are tried; empty for all.
    """
    changes: list[Change] = []
    skipped: dict[str, str] = {}
    for group in graph.groups:
        if not _is_named([group.key, *group.producers], layers):
            continue
        choices = [w for w in space.choices.get(group.key, ()) if w < group.units]
        widths = {
            min(choices, key=lambda w: abs(w - r * group.units)): r for r in ratios if choices
        }
        if group.frozen is not None:
            skipped[group.key] = f"frozen: {group.frozen}"
        elif not widths:
            skipped[group.key] = f"no width below {group.units} units is in the space"
        changes += [
            Change("narrow", group.key, width, group.units, ratio)
            for width, ratio in sorted(widths.items())
        ]
    return Plan(tuple(changes), skipped)


def check_names(
    layers: Iterable[str], plan: Plan, graph: ChannelGraph, traced: TracedGenerator
) -> None:
    """Make sure that every name that was given selects something.

    Args:
        layers: What was asked for.
        plan: What is tried.
        graph: The channel groups.
        traced: The generator.

    Raises:
        AnalysisError: If a name selects nothing.
    """
    producers = {group.key: group.producers for group in graph.groups}
    tried = [[c.target, *producers.get(c.target, ())] for c in plan.changes]
    tried += [[key, *producers.get(key, ())] for key in plan.skipped]
    for name in layers:
        if any(_is_named(names, [name]) for names in tried):
            continue
        known = dict.fromkeys([*decomposable(traced), *producers, *chain(*producers.values())])
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        raise AnalysisError(
            f"'{name}' is no layer that can be decomposed, and starts no channel group",
            hint=f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else "list the layers with: gancompress inspect",
        )


def check_ratios(ratios: Iterable[float]) -> None:
    """Make sure that ratios are shares of a width.

    Args:
        ratios: Shares.

    Raises:
        ConfigError: If one is not between 0 and 1.
    """
    for ratio in ratios:
        if not 0 < ratio < 1:
            raise ConfigError(
                f"the ratio '{ratio}' is no share of a width",
                hint="give numbers between 0 and 1, such as 0.25 0.5 0.75",
            )


def _is_named(paths: Iterable[str], names: Sequence[str]) -> bool:
    """Whether a path, or a module around it, is among the names; all are where there is none."""
    return not names or any(
        path == name or path.startswith((f"{name}.", f"{name}["))
        for path in paths
        for name in names
    )
