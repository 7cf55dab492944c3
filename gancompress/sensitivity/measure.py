"""Change one thing, train nothing, and compare the pictures with the teacher's."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn

from gancompress.cost import Cost, measure_cost
from gancompress.elastic import (
    SearchSpace,
    SpaceRule,
    SubnetConfig,
    Supernet,
    calibrate_batch_norm,
)
from gancompress.errors import DataError
from gancompress.events import Emit, Notice, StageFinished, StageProgress, StageStarted, discard
from gancompress.graph import IgnoredScope, OpRule, TracedGenerator
from gancompress.passes import Decompose, FoldReparametrisation, SortChannels, run_passes
from gancompress.sensitivity.changes import (
    Change,
    Plan,
    check_names,
    check_ratios,
    plan_groups,
    plan_layers,
)
from gancompress.sensitivity.compare import (
    ERROR,
    Inputs,
    Measure,
    finite_loss,
    normalised_error,
    pictures_of,
)
from gancompress.sensitivity.journal import Entry, Journal, digest_of
from gancompress.sensitivity.report import GroupEffect, LayerEffect, SensitivityReport

STAGE: Final = "sensitivity"
# Another number makes what earlier releases measured count no more.
_PROTOCOL: Final = 1


def sensitivity(
    traced: TracedGenerator,
    inputs: Inputs,
    *,
    metrics: Mapping[str, Measure] = MappingProxyType({}),
    ratios: Sequence[float] = (0.25, 0.5, 0.75),
    space: SearchSpace | SpaceRule | None = None,
    layers: Sequence[str] = (),
    calibration: Inputs = (),
    ignored: IgnoredScope | None = None,
    rules: Sequence[OpRule] = (),
    storage: Path | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    emit: Emit = discard,
) -> SensitivityReport:
    """Measure what decomposing each layer, and narrowing each group, does to the pictures.

    Each change is made alone in the generator as it was given, and nothing is trained. Channels
    are sorted by importance before a group is narrowed, and the batch-norm statistics of a changed
    net are averaged anew over the calibration inputs. The metric ``error`` is always measured: the
    squared error over the variance of the teacher's pictures, 0 for the same ones and 1 for a net
    that draws their mean.

    Args:
        traced: The teacher; it is left as it is.
        inputs: Held-out inputs batch by batch, each a tuple of the generator's positional ones.
        metrics: Further distances to the teacher's pictures by name. The first one is the one
            that the report chooses by; without any that is ``error``.
        ratios: Shares of the full width that each group is tried at, between 0 and 1; none
            narrows no group.
        space: Widths to choose from, or a rule that makes them; by default multiples of 8
            channels from the smallest ratio on. Of these the one next to each ratio is tried.
        layers: Layers to decompose and whose groups to narrow, or modules with everything
            inside; empty for all.
        calibration: Inputs for the statistics and for the decomposition.
        ignored: Layers that are left alone.
        rules: Operator rules for the channel analysis.
        storage: File that keeps every change that was measured, and from which a later call with
            the same generator, pictures and settings goes on.
        settings: What else the metrics depend on, JSON values: what was stored with others is
            measured again.
        emit: Takes `StageStarted`, one `StageProgress` a change, `Notice` and `StageFinished`.

    Returns:
        The report; an empty one where the generator has nothing to decompose or narrow.

    Raises:
        AnalysisError: If a name of `layers` or an entry of `ignored` selects nothing.
        ConfigError: If a ratio is not between 0 and 1.
        DataError: If there are no inputs, or the generator returns no single tensor.
    """
    began = time.monotonic()
    check_ratios(ratios)
    if not sum(len(batch[0]) for batch in inputs if batch):
        raise DataError("there are no pictures to compare", hint="give at least one sample")
    folded = run_passes(traced, [FoldReparametrisation()])
    folded.module.eval()
    rule = SearchSpace.multiples_of(8, smallest=min(ratios, default=1.0))
    sorted_net = run_passes(folded, [SortChannels(rules, ignored=ignored)])
    supernet = Supernet(sorted_net, space or rule, rules, ignored=ignored).eval()
    plan = plan_layers(folded, layers, ignored)
    if ratios:
        plan += plan_groups(supernet.graph, supernet.space, ratios, layers)
    check_names(layers, plan, supernet.graph, folded)
    bench = _Bench(folded, supernet, inputs, calibration, metrics)
    journal = Journal(storage, bench.digest(ignored, settings))
    effects = list(_measured(plan, bench, journal, emit))
    emit(StageFinished(STAGE, time.monotonic() - began))
    return bench.report(plan, effects)


@dataclass(frozen=True, eq=False)
class _Bench:
    """What every change is tried on."""

    teacher: TracedGenerator
    supernet: Supernet
    inputs: Inputs
    calibration: Inputs
    metrics: Mapping[str, Measure]

    def digest(self, ignored: IgnoredScope | None, more: Mapping[str, Any]) -> str:
        pictures = (x for batch in (*self.inputs, *self.calibration) for x in batch)
        settings = {
            "protocol": _PROTOCOL,
            "graph": self.teacher.fingerprint,
            "ignored": repr(ignored),
            "batches": [len(batch[0]) for batch in (*self.inputs, *self.calibration)],
            **({"settings": dict(more)} if more else {}),
        }
        return digest_of(self.teacher.module, pictures, settings)

    def build(self, change: Change) -> nn.Module:
        """Return the generator with one change."""
        if change.kind == "decompose":
            net = decomposed(self.teacher, [change.target], self.calibration)
        else:
            net = self.supernet.materialise(SubnetConfig({change.target: change.width}))
        return calibrate_batch_norm(net.eval(), self.calibration)

    def cost(self, net: nn.Module) -> Cost:
        return measure_cost(net, self.teacher.example_inputs, self.teacher.example_kwargs)

    def report(self, plan: Plan, effects: Sequence[tuple[Change, Entry]]) -> SensitivityReport:
        names = (*self.metrics, *([] if ERROR in self.metrics else [ERROR]))
        cost = self.cost(self.teacher.module)
        of_layers = layer_macs(
            self.teacher, [c.target for c, _ in effects if c.kind == "decompose"]
        )
        return SensitivityReport(
            metric=names[0],
            metrics=names,
            macs=cost.macs,
            params=cost.params,
            samples=sum(len(batch[0]) for batch in self.inputs),
            layers=tuple(
                self._layer_effect(entry, change, of_layers[change.target], names)
                for change, entry in effects
                if change.kind == "decompose"
            ),
            groups=tuple(
                _group_effect(entry, change, names)
                for change, entry in effects
                if change.kind == "narrow"
            ),
            skipped=dict(plan.skipped),
        )

    def _layer_effect(
        self, entry: Entry, change: Change, macs: int, names: Sequence[str]
    ) -> LayerEffect:
        return LayerEffect(
            layer=change.target,
            kind=type(self.teacher.module.get_submodule(change.target)).__name__,
            macs=macs,
            macs_saved=entry.macs_saved,
            params_saved=entry.params_saved,
            losses={name: entry.losses[name] for name in names},
        )


def _group_effect(entry: Entry, change: Change, names: Sequence[str]) -> GroupEffect:
    return GroupEffect(
        group=change.target,
        width=change.width,
        units=change.units,
        ratio=change.ratio,
        macs_saved=entry.macs_saved,
        params_saved=entry.params_saved,
        losses={name: entry.losses[name] for name in names},
    )


def _measured(
    plan: Plan, bench: _Bench, journal: Journal, emit: Emit
) -> Iterator[tuple[Change, Entry]]:
    """Measure every change of a plan; those that the journal has are only read."""
    metrics: dict[str, Measure] = {**bench.metrics, ERROR: normalised_error}
    known = {change: journal.get(change.key) for change in plan.changes}
    full = {c: e for c, e in known.items() if e is not None and metrics.keys() <= e.losses.keys()}
    emit(StageStarted(STAGE, len(plan.changes), done=len(full)))
    done = len(full)
    teacher = cost = None
    for change in plan.changes:
        entry = full.get(change)
        if entry is None:
            if teacher is None or cost is None:
                teacher, cost = (
                    pictures_of(bench.teacher.module, bench.inputs),
                    bench.cost(bench.teacher.module),
                )
            entry = _measure(change, bench, (teacher, cost), metrics, journal)
            done += 1
            emit(_progress(done, entry, metrics))
            for name in (n for n in metrics if entry.losses[n] is None):
                emit(Notice(STAGE, f"'{change.key}': the metric '{name}' is not finite"))
        yield change, entry


def _measure(
    change: Change,
    bench: _Bench,
    teacher: tuple[Tensor, Cost],
    metrics: Mapping[str, Measure],
    journal: Journal,
) -> Entry:
    before = journal.get(change.key)
    net = bench.build(change)
    drawn = pictures_of(net, bench.inputs)
    losses = dict(before.losses) if before is not None else {}
    for name in metrics.keys() - losses.keys():
        losses[name] = finite_loss(metrics[name], drawn, teacher[0])
    cost = bench.cost(net)
    saved = (teacher[1].macs - cost.macs, teacher[1].params - cost.params)
    return journal.put(change.key, saved, losses)


def _progress(done: int, entry: Entry, metrics: Mapping[str, Measure]) -> StageProgress:
    losses = {n: v for n in metrics if (v := entry.losses[n]) is not None}
    return StageProgress(STAGE, done, losses)


def decomposed(traced: TracedGenerator, layers: Sequence[str], calibration: Inputs) -> nn.Module:
    """Return a generator with some layers decomposed, and nothing trained.

    Args:
        traced: The generator, weights folded.
        layers: Paths of layers.
        calibration: Inputs that the decomposition is fitted on; none fits the weights alone.
    """
    return run_passes(traced, [Decompose(layers, calibration=calibration)]).module


def joint_loss(
    traced: TracedGenerator,
    inputs: Inputs,
    layers: Sequence[str],
    measure: Measure,
    *,
    calibration: Inputs = (),
) -> float | None:
    """Measure what decomposing several layers at once does to the pictures.

    Args:
        traced: The teacher, weights folded.
        inputs: Held-out inputs, as `sensitivity` takes them.
        layers: Paths of layers.
        measure: The distance to the teacher's pictures.
        calibration: See `sensitivity`.

    Returns:
        The loss; None where it is not finite.
    """
    net = calibrate_batch_norm(decomposed(traced, layers, calibration).eval(), calibration)
    return finite_loss(measure, pictures_of(net, inputs), pictures_of(traced.module, inputs))


def layer_macs(traced: TracedGenerator, layers: Sequence[str]) -> dict[str, int]:
    """Count the multiply-accumulates of single layers in one forward pass.

    Args:
        traced: The generator.
        layers: Paths of layers that the graph calls.

    Returns:
        MACs by path, over all calls of the layer.
    """
    calls: dict[str, int] = dict.fromkeys(layers, 0)
    for node in traced.module.graph.find_nodes(op="call_module"):
        if node.target not in calls:
            continue
        source = node.args[0] if node.args else node.kwargs["input"]
        layer = traced.module.get_submodule(node.target)
        example = torch.zeros(traced.shapes[source.name], dtype=next(layer.parameters()).dtype)
        example = example.to(next(layer.parameters()).device)
        calls[node.target] += measure_cost(layer, (example, *node.args[1:]), {}).macs
    return calls
