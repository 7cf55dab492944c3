"""Find the channels that must be kept or dropped together, and the groups that they form."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from gancompress.graph.channels import ChannelGraph, ChannelGroup, Member, Share, UnitIds
from gancompress.graph.flow import Flow, flow
from gancompress.graph.ignored import IgnoredScope
from gancompress.graph.layout import Ids, Layout
from gancompress.graph.rules import OpRule, Part
from gancompress.graph.sizes import Size, number_at
from gancompress.graph.traced import TracedGenerator, check_rules
from gancompress.graph.verify import failing_groups

_SINGLE = "a single unit cannot be narrowed"


def analyse(
    traced: TracedGenerator,
    *,
    rules: Sequence[OpRule] = (),
    ignored: IgnoredScope | None = None,
    verify: bool = False,
) -> ChannelGraph:
    """Give every channel an id, follow the ids through the graph, and group what is tied.

    Args:
        traced: The generator.
        rules: Operator rules that are asked first, before those that it was traced with.
        ignored: Layers whose channels all stay.
        verify: Also check in float64, group by group, that dropping a unit computes what zeroing
            it in all its consumers computes; a group that fails is frozen with that reason.
            Groups whose statistics are coupled are exempt.

    Returns:
        Groups, layouts, members and the coverage.

    Raises:
        AnalysisError: If an entry of `ignored` selects no module, or a rule is for a layer that was
            traced through.
    """
    check_rules(traced, rules)
    found = flow(traced, rules, None if ignored is None else ignored.nodes(traced))
    graph = _build(traced, found, {})
    if verify:
        failures = failing_groups(traced, graph)
        if failures:
            graph = _build(traced, found, failures)
    return graph


@dataclass(frozen=True, eq=False)
class _Units:
    """Units by number: the one that each id belongs to, and what is frozen.

    Args:
        of_id: Unit of each id.
        searchable: Whether each unit can be narrowed.
    """

    of_id: Ids
    searchable: np.ndarray[Any, np.dtype[np.bool_]]

    def of(self, ids: Ids) -> UnitIds:
        """Return unit ids for channel ids, -1 for what cannot be narrowed."""
        if not len(self.of_id):
            return np.full_like(ids, -1)
        units = self.of_id[np.maximum(ids, 0)]
        shown: UnitIds = np.where((ids >= 0) & self.searchable[units], units, -1)
        return shown


def _build(traced: TracedGenerator, found: Flow, failures: Mapping[str, str]) -> ChannelGraph:
    """Number the units, and write everything down by their numbers."""
    groups, units = _group(found, failures)
    members = {path: _member(path, part, units) for path, part in found.parts.items()}
    planes = {
        node.name: tuple(np.broadcast_to(units.of(ids), layout.shape) for ids in layout.planes)
        for node, layout in found.layouts.items()
        if isinstance(layout, Layout) and node.op != "output"
    }
    tensors = {
        name: tuple(None if ids is None else units.of(ids) for ids in axes)
        for name, axes in found.tensors.items()
    }
    reasons = _Reasons(found, groups, units)
    shares = (
        *_parameter_shares(traced.module, members, tensors, reasons),
        *_work_shares(found, members, units, reasons),
    )
    return ChannelGraph(
        groups,
        {name: several[0] for name, several in planes.items()},
        members,
        shares,
        tensors,
        tuple(_sizes(found, units)),
        {name: several for name, several in planes.items() if len(several) > 1},
    )


def _sizes(found: Flow, units: _Units) -> Iterable[Size]:
    """Yield the numbers of the code that a narrow net needs others for.

    A constant that counts frozen channels stays right by itself. One that is computed does not:
    what it is computed from may be the number of other channels.
    """
    nodes = {node.name: node for node in found.layouts}
    for (name, place), ids in found.channels.sizes.items():
        counted = None if ids is None else units.of(ids)
        stated = isinstance(number_at((nodes[name].args, nodes[name].kwargs), place), int)
        if counted is None or not stated or (counted >= 0).any():
            yield Size(name, place, counted)


@dataclass(frozen=True, eq=False)
class _Line:
    """The ids along one side of a layer, or along one axis of a tensor outside the layers.

    Args:
        name: Path of the layer, or name of the tensor.
        key: What a group is called that starts here.
        ids: The ids.
        makes: Whether a layer makes the channels here.
        reads: Whether a layer reads them here.
        weighs: Whether this is an axis of a tensor that has others: a weight, not a scale.
    """

    name: str
    key: str
    ids: Ids
    makes: bool = False
    reads: bool = False
    weighs: bool = False


def _lines(found: Flow) -> list[_Line]:
    """Return where channels are made and read: layers first, in the order of execution."""
    lines: list[_Line] = []
    for path, part in found.parts.items():
        lines += [_Line(path, path, part.outputs, makes=True)] if part.produces else []
        lines += [_Line(path, path, part.inputs, reads=True)] if part.consumes else []
    for name, axes in found.tensors.items():
        several = [axis for axis, ids in enumerate(axes) if ids is not None]
        for axis in several:
            ids = axes[axis]
            key = name if axis == several[0] else f"{name}.axis{axis}"
            lines += [] if ids is None else [_Line(name, key, ids, weighs=len(several) > 1)]
    return lines


def _group(found: Flow, failures: Mapping[str, str]) -> tuple[tuple[ChannelGroup, ...], _Units]:
    """Gather the units that have the same producers and consumers."""
    channels, lines = found.channels, _lines(found)
    roots = np.array([channels.root(one) for one in range(channels.count)], dtype=np.int64)
    frozen = channels.frozen_roots()
    coupled, weighed = (
        {channels.root(one) for one in marked} for marked in (channels.coupled, channels.weighed)
    )
    uses: dict[int, Counter[Any]] = defaultdict(Counter)
    for line in lines:
        for one in line.ids[line.ids >= 0].tolist():
            uses[int(roots[one])][line.key, line.makes] += 1
    for root, cut in _cuts(found, roots):
        uses[root][cut] += 1
    gathered: dict[Any, list[int]] = {}
    # In the order of their first ids, hence of their places in the first producer.
    for root in dict.fromkeys(roots.tolist()):
        signature = (frozenset(uses[root].items()), frozen.get(root), root in coupled)
        gathered.setdefault(signature, []).append(root)
    number = {root: k for k, root in enumerate(r for rs in gathered.values() for r in rs)}
    of_id = np.array([number[root] for root in roots.tolist()], dtype=np.int64)
    groups = []
    for members in gathered.values():
        units = [number[root] for root in members]
        touching = [line for line in lines if _touches(line, of_id, units)]
        # What is only repeated, or only the places of a kernel, is nothing to narrow.
        makers = any(line.makes for line in touching)
        if makers or (members[0] in weighed and any(line.weighs for line in touching)):
            state = frozen.get(members[0]), members[0] in coupled
            groups.append(_named(touching, of_id, units, failures, state))
    searchable = np.zeros(len(number), dtype=np.bool_)
    for group in groups:
        searchable[list(group.unit_ids)] = group.frozen is None
    # A group may begin with a buffer that is read before its first producer.
    order = {line.name: k for k, line in reversed(list(enumerate(lines)))}
    groups.sort(key=lambda group: order[group.producers[0]])
    return tuple(groups), _Units(of_id, searchable)


def _cuts(found: Flow, roots: Ids) -> Iterator[tuple[int, Any]]:
    """Yield for each channel that is cut out the root of its unit, and the cut.

    Of two units that own two channels each, one may have its first in a cut, and the other its
    second: sorting must not exchange these units, hence the number of the channel in its unit.
    """
    seen: Counter[int] = Counter()
    for one, root in enumerate(roots.tolist()):
        for name in found.channels.cuts.get(one, ()):
            yield root, (name, seen[root])
        seen[root] += 1


def _named(
    touching: Sequence[_Line],
    of_id: Ids,
    units: list[int],
    failures: Mapping[str, str],
    state: tuple[str | None, bool],
) -> ChannelGroup:
    """Name a group after its first producer, and list the others."""
    frozen, coupled = state
    makers = [line for line in touching if line.makes]
    if not makers:
        makers = [next(line for line in touching if line.weighs)]
    readers = [line for line in touching if (line.reads or line.weighs) and line not in makers]
    first = makers[0]
    mine = np.isin(of_id[np.maximum(first.ids, 0)], units) & (first.ids >= 0)
    key = first.key if mine.all() else f"{first.key}[{_ranges(np.flatnonzero(mine))}]"
    if frozen is None:
        frozen = failures.get(key) or (_SINGLE if len(units) == 1 else None)
    producers, consumers = (
        tuple(dict.fromkeys(line.name for line in lines)) for lines in (makers, readers)
    )
    width = int(mine.sum())
    return ChannelGroup(key, len(units), width, producers, consumers, frozen, tuple(units), coupled)


def _touches(line: _Line, of_id: Ids, units: list[int]) -> bool:
    ids = line.ids[line.ids >= 0]
    return bool(np.isin(of_id[ids], units).any())


def _ranges(positions: Ids) -> str:
    """Write ascending positions as ranges, ``0:64,128:192``."""
    runs = np.split(positions, np.flatnonzero(np.diff(positions) > 1) + 1)
    return ",".join(f"{run[0]}:{run[-1] + 1}" for run in runs)


def _member(path: str, part: Part, units: _Units) -> Member:
    axes = {
        name: tuple(None if ids is None else units.of(ids) for ids in axes)
        for name, axes in part.axes.items()
    }
    sizes = {
        name: tuple(map(units.of, ids)) if isinstance(ids, tuple) else units.of(ids)
        for name, ids in part.sizes.items()
    }
    return Member(
        module=path,
        kind=part.kind,
        axes=axes,
        inputs=units.of(part.inputs),
        outputs=units.of(part.outputs),
        depthwise=part.depthwise,
        produces=part.produces,
        consumes=part.consumes,
        sizes=sizes,
    )


class _Reasons:
    """Why a layer or an operator is frozen, in words."""

    def __init__(self, found: Flow, groups: Sequence[ChannelGroup], units: _Units) -> None:
        self.found = found
        self.units = units
        self.by_unit: dict[int, str | None] = {
            int(units.of_id[root]): reason for root, reason in found.channels.frozen_roots().items()
        }
        self.by_unit |= {unit: group.frozen for group in groups for unit in group.unit_ids}

    def of_ids(self, arrays: Iterable[Ids | None]) -> str:
        """Return the first reason that stands behind some ids."""
        first = ""
        for ids in arrays:
            for one in () if ids is None else np.unique(ids).tolist():
                if one >= 0:
                    reason = self.by_unit.get(int(self.units.of_id[one]))
                    if reason:
                        return reason
                first = first or (self.found.channels.reason_of(one) if one < 0 else "")
        return first or "it has no channels to narrow"

    def of_tensor(self, path: str, name: str) -> str:
        """Return why a layer's tensor is frozen, or why all of them are where none is named."""
        part = self.found.parts.get(path)
        if part is not None:
            if name and name not in part.axes:  # a tensor that the rule passes over
                return self.of_ids((part.outputs, part.inputs))
            return self.of_ids(ids for axes in _axes_of(part, name) for ids in axes)
        known = self.found.unknown.get(path)
        return known or f"tensor '{path}.{name}'".replace("'.", "'") + " is used outside a layer"


Shares = Iterable[tuple[str, str, Share]]


def _moves(ids: UnitIds | None) -> bool:
    """Whether an axis can be narrowed."""
    return ids is not None and bool((ids >= 0).any())


def _axes_of(layer: Part | Member, name: str) -> Iterable[tuple[Ids | None, ...]]:
    """Return the axes of one tensor, or of all of them where none is named."""
    return [layer.axes.get(name, ())] if name else layer.axes.values()


def _class_of(member: Member | None, name: str = "") -> str:
    """Return which class a layer's tensor belongs to, or its work where none is named."""
    axes = [ids for one in _axes_of(member, name) for ids in one] if member else []
    if member is None or not any(map(_moves, axes)):
        return "frozen"
    return "coupled" if member.follows else "elastic"


def _parameter_shares(
    module: nn.Module,
    members: Mapping[str, Member],
    tensors: Mapping[str, Sequence[UnitIds | None]],
    reasons: _Reasons,
) -> Shares:
    """Put every parameter into one class; one that layers share counts once."""
    for name, parameter in module.named_parameters():
        if name in tensors:
            axes = tensors[name]
            several = sum(_moves(ids) for ids in axes)
            kind = ("frozen", "coupled", "elastic")[min(several, 2)]
            reason = reasons.of_ids(reasons.found.tensors[name]) if kind == "frozen" else ""
            yield kind, reason, Share(params=parameter.numel())
            continue
        path = name.rpartition(".")[0]
        owner = _owner(path, members, reasons.found.unknown)
        own = name.removeprefix(f"{owner}.")
        kind = _class_of(members.get(owner), own)
        reason = reasons.of_tensor(owner, own)
        yield kind, reason if kind == "frozen" else "", Share(params=parameter.numel())


def _owner(path: str, members: Mapping[str, Member], unknown: Mapping[str, str]) -> str:
    """Return the layer that a tensor belongs to: the nearest one that the graph calls."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        above = ".".join(parts[:end])
        if above in members or above in unknown:
            return above
    return path


def _work_shares(
    found: Flow, members: Mapping[str, Member], units: _Units, reasons: _Reasons
) -> Shares:
    """Put every node's work into one class."""
    for work in found.work:
        if work.path:
            kind = _class_of(members.get(work.path))
            reason = reasons.of_tensor(work.path, "")
        else:
            planes = [ids for layout in work.layouts for ids in layout.planes]
            kind = "elastic" if any(_moves(units.of(ids)) for ids in planes) else "frozen"
            reason = work.where
        yield kind, reason if kind == "frozen" else "", Share(macs=work.macs)
