"""The layers that ``decompose.layers = "auto"`` chooses, and the record of it in the run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from gancompress.compress.metrics import distances
from gancompress.compress.pictures import batches_of
from gancompress.config import RunConfig
from gancompress.errors import StorageError
from gancompress.events import Emit, Notice, discard
from gancompress.graph import IgnoredScope, TracedGenerator
from gancompress.metrics import Metric
from gancompress.passes import residual_convolutions
from gancompress.sensitivity import SensitivityReport, joint_loss, sensitivity
from gancompress.store import RunDirectory, cache_folder, write_json
from gancompress.store.atomic import storage_errors

FILE: Final = "decompose.json"
_FOLDER: Final = "sensitivity"


@dataclass(frozen=True)
class Choice:
    """Which layers are decomposed, and why these.

    Args:
        layers: Paths of layers, in the order of the net.
        metric: The metric of the losses.
        predicted_loss: Sum of the layers' own losses.
        measured_loss: Loss with all of them decomposed, nothing trained; None where it is not
            finite.
        macs_saved: Multiply-accumulates that this saves, of one picture.
        settings: What it was chosen by: a run with other settings chooses again.
    """

    layers: tuple[str, ...]
    metric: str
    predicted_loss: float
    measured_loss: float | None
    macs_saved: int
    settings: Mapping[str, Any]


def choose_layers(
    config: RunConfig,
    folded: TracedGenerator,
    data: Mapping[str, Any],
    metrics: Mapping[str, Metric],
    ignored: IgnoredScope | None = None,
    *,
    emit: Emit = discard,
) -> Choice:
    """Measure the teacher's layers one by one, and choose those to decompose.

    There is no run directory yet, so every layer that is measured is remembered in the user's
    cache: after an interruption, and in another run of the same teacher, the measurement goes on.

    Args:
        config: Its ``decompose`` has the limit, the metric and the number of pictures.
        folded: The teacher, weights folded.
        data: The data by split; ``val`` is compared on.
        metrics: Metrics by name; empty for the core's own.
        ignored: Layers that are left alone.
        emit: Receives events.

    Raises:
        BudgetError: If decomposing every layer is not enough.
        ConfigError: If the metric is unknown or no distance.
        MissingExtraError: If a library of the metric is not installed.
    """
    settings = config.decompose
    measures = distances([settings.metric], metrics)
    inputs = [b.inputs for b in batches_of(data["val"], config.seed, most=settings.samples)]
    calibration = calibration_inputs(data, config)
    report = sensitivity(
        folded,
        inputs,
        metrics=measures,
        ratios=(),
        calibration=calibration,
        ignored=ignored,
        storage=_journal(config, emit),
        settings=metric_settings([settings.metric], config),
        emit=emit,
    )
    layers = _chosen(report, config, folded)
    predicted, saved = report.predicted(layers)
    measured = joint_loss(
        folded, inputs, layers, measures[settings.metric], calibration=calibration
    )
    share = saved / report.macs if report.macs else 0.0
    emit(
        Notice(
            "prepare",
            f"'auto' decomposes {len(layers)} of {len(report.layers)} layers: they save "
            f"{share:.0%} of the MACs at a {settings.metric} of "
            f"{'infinity' if measured is None else f'{measured:.3g}'} "
            f"(sum of single ones {predicted:.3g}); see '{FILE}'",
        )
    )
    return Choice(layers, settings.metric, predicted, measured, saved, settings_of(config))


def calibration_inputs(data: Mapping[str, Any], config: RunConfig) -> list[tuple[Tensor, ...]]:
    """Return the inputs that a decomposition is fitted to and statistics are averaged over.

    Args:
        data: The data by split.
        config: The configuration; its ``decompose.fit`` is their number.

    Returns:
        Batches of positional inputs; none where nothing is fitted.
    """
    most = config.decompose.fit
    train = batches_of(data["train"], config.seed, most=most) if most else []
    return [batch.inputs for batch in train]


def metric_settings(names: Iterable[str], config: RunConfig) -> dict[str, Any]:
    """Return the options of metrics, on which what was measured by them depends.

    Args:
        names: The metrics.
        config: The configuration.

    Returns:
        JSON values by metric; nothing for a metric without options.
    """
    chosen = config.model_dump(mode="json", include={"metrics"})["metrics"]
    return {name: chosen[name] for name in names if chosen.get(name)}


def _journal(config: RunConfig, emit: Emit) -> Path | None:
    """Return the cache file of a teacher's layers; None where there is none to write."""
    if config.teacher_sha256 is None:
        return None
    keys = {"family", "generator", "options", "seed", "teacher_sha256"}
    known = {
        **config.model_dump(mode="json", include=keys),
        **config.decompose.model_dump(mode="json", include={"samples", "fit"}),
        "ignored": config.space.ignored.model_dump(mode="json"),
        "metrics": metric_settings([config.decompose.metric], config),
    }
    name = sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / _FOLDER / f"{name}.jsonl"
    try:
        with storage_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
    except StorageError as error:  # a choice does not end for want of a cache
        text = f"what 'auto' measures is not remembered: {error.message}"
        emit(Notice("prepare", text))
        return None
    return path


def settings_of(config: RunConfig) -> dict[str, Any]:
    """Return all that a choice depends on, as JSON values.

    Args:
        config: The configuration.
    """
    keys = {"family", "generator", "options", "seed", "teacher_sha256", "decompose"}
    values = config.model_dump(mode="json", include=keys)
    return {**values, "ignored": config.space.ignored.model_dump(mode="json")}


def known_choice(run: RunDirectory, config: RunConfig) -> Choice | None:
    """Return the choice that an earlier call has made with the same settings.

    Args:
        run: The run directory.
        config: The configuration.

    Returns:
        The choice; None where there is none, it is damaged, or it was made with other settings:
        the same settings then make the same choice again.
    """
    place = run.path(FILE)
    if config.decompose.layers != "auto" or not place.is_file():
        return None
    try:
        choice = _ADAPTER.validate_json(place.read_bytes())
    except ValidationError:
        return None
    return choice if dict(choice.settings) == settings_of(config) else None


def keep_choice(run: RunDirectory, choice: Choice | None) -> None:
    """Write a choice down, so that later calls need not measure again.

    Args:
        run: An open run directory.
        choice: The choice, or None.

    Raises:
        StorageError: If the disk is full.
    """
    if choice is not None:
        write_json(run.path(FILE), _ADAPTER.dump_python(choice, mode="json"))


def _chosen(
    report: SensitivityReport, config: RunConfig, folded: TracedGenerator
) -> tuple[str, ...]:
    settings = config.decompose
    if settings.max_loss is not None:
        return report.robust(settings.max_loss)
    if settings.macs is not None:
        return report.within(settings.macs)
    residual = set(residual_convolutions(folded)) & {e.layer for e in report.layers}
    every = tuple(e.layer for e in report.layers if e.macs_saved > 0)
    saved = report.predicted(tuple(residual))[1] if residual else report.predicted(every)[1] // 2
    return report.within(report.macs - saved) if saved > 0 else ()


_ADAPTER: Final = TypeAdapter(Choice)
