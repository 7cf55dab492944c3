"""Metrics by their name: those that a search scores with, and those that an evaluation adds."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gancompress.errors import ConfigError, GancompressError, PluginError
from gancompress.gan import Batch
from gancompress.metrics import Figure, Metric, pictures_of, protocol_of, recovery
from gancompress.plugins import core
from gancompress.sensitivity import ERROR, normalised_error

T = TypeVar("T")


def find_metrics(names: Iterable[str], offered: Mapping[str, Metric]) -> dict[str, Metric]:
    """Look metrics up.

    Args:
        names: Names of metrics.
        offered: What plugins and the core offer, by name; empty for the core's own.

    Returns:
        The metrics by name, in the order of the names.

    Raises:
        ConfigError: If there is none of a name.
    """
    known = _offered(offered)
    return {name: _find(name, known) for name in names}


def make_ready(metrics: Iterable[Metric]) -> None:
    """Let metrics load what they need, before hours of work that end with them.

    Args:
        metrics: The metrics.

    Raises:
        MissingExtraError: If a library of one is not installed.
        PluginError: If one fails.
    """
    for metric in metrics:
        _ask(metric, metric.protocol)


def distances(
    names: Iterable[str], offered: Mapping[str, Metric]
) -> dict[str, Callable[[Tensor, Tensor], float]]:
    """Return metrics as distances between a net's pictures and the teacher's.

    Args:
        names: Names of metrics, or ``error`` for the squared error over the teacher's variance.
        offered: What plugins and the core offer, by name; empty for the core's own.

    Returns:
        Functions of two sets of pictures, lower being better, in the order of the names.

    Raises:
        ConfigError: If there is none of a name, or higher values of it are better: such a metric
            is no distance, and what several changes cost cannot be added up.
        MissingExtraError: If a library of one is not installed.
    """
    asked = tuple(dict.fromkeys(names))
    found = find_metrics((name for name in asked if name != ERROR), offered)
    for name, metric in found.items():
        if metric.higher_is_better:
            raise ConfigError(
                f"the metric '{name}' is no distance: higher is better",
                hint=f"choose one that is 0 for equal pictures, such as {ERROR}",
            )
    make_ready(found.values())
    own = {name: _distance(metric) for name, metric in found.items()}
    return {name: own.get(name, normalised_error) for name in asked}


def configure_metrics(
    offered: Mapping[str, Metric],
    options: Mapping[str, Mapping[str, Any]],
    *,
    trust: bool = False,
) -> dict[str, Metric]:
    """Give metrics their options.

    Args:
        offered: What plugins and the core offer, by name; empty for the core's own.
        options: Options by the metric's name.
        trust: Whether files that run code when they are loaded may be loaded.

    Raises:
        ConfigError: If there is no metric of a name, an option is unknown, or a value cannot be
            used.
        PluginError: If a metric fails.
    """
    known = _offered(offered)
    for name, values in options.items():
        known[name] = _configured(_find(name, known), values, trust=trust)
    return known


def check_pairing(metrics: Iterable[Metric], sample: Batch) -> None:
    """Refuse metrics that compare pictures one by one where the data have no pairs.

    Args:
        metrics: The metrics.
        sample: One sample of the data.

    Raises:
        ConfigError: If the data are unpaired, and a metric needs a target.
    """
    for metric in metrics:
        if sample.target is None and metric.paired:
            raise ConfigError(
                f"the metric '{metric.name}' compares pictures one by one, and the data have no "
                "pairs",
                hint="choose one that compares sets, such as frechet-lite0 or kid-lite0; such a "
                "metric of a plugin says `paired = False`",
            )


def score_with(
    metric: Metric, batches: Sequence[Batch]
) -> tuple[Callable[[nn.Module], float], dict[str, Any]]:
    """Return what scores a generator by a metric, lower being better, and its protocol.

    Args:
        metric: The metric.
        batches: Pictures; see `check_pairing`.

    Returns:
        A function from a generator to its score against the real pictures, and all that makes two
        such scores comparable.

    Raises:
        DataError: If the pictures are too few for the metric, or it needs what the data lack.
        PluginError: If the metric fails.
    """
    sign = -1.0 if metric.higher_is_better else 1.0
    ruler = _ask(metric, lambda: metric.against(batches))

    def score(net: nn.Module) -> float:
        drawn = torch.cat(list(pictures_of(net, batches, "net")))
        # The convolutions of feature extractors take pictures faster so, and see the same ones.
        drawn = drawn.contiguous(memory_format=torch.channels_last)
        return sign * _ask(metric, lambda: float(ruler.measure(drawn).value))

    count = sum(map(len, batches))
    return score, _ask(metric, lambda: protocol_of(metric, ruler, count))


def compare(
    metrics: Mapping[str, Metric], pictures: Mapping[str, Iterable[Tensor]], data: Sequence[Batch]
) -> dict[str, dict[str, Any]]:
    """Measure several sources of pictures by several metrics.

    Args:
        metrics: Metrics by name.
        pictures: Pictures batch by batch, ``(N, C, H, W)`` in [-1, 1], by their source: those of
            ``teacher``, ``compressed`` and ``baseline``.
        data: The paired pictures that they were drawn for.

    Returns:
        By metric: the figure of each source against the real pictures (None where it is not
        finite), whether higher ones are better, the recovery, the floor of real pictures against
        real ones, notes, details by source, and the protocol.

    Raises:
        DataError: If the pictures are too few for a metric, or it needs what the data lack.
        PluginError: If a metric fails.
    """
    if not metrics:
        return {}
    sources = {source: torch.cat(list(drawn)) for source, drawn in pictures.items()}
    return {name: _row(metric, sources, data) for name, metric in metrics.items()}


def _row(metric: Metric, sources: Mapping[str, Tensor], data: Sequence[Batch]) -> dict[str, Any]:
    ruler = _ask(metric, lambda: metric.against(data))
    figures: dict[str, Figure] = {}
    details: dict[str, Any] = {}
    for source, drawn in sources.items():
        found = _ask(metric, partial(ruler.measure, drawn))
        figures[source] = _ask(metric, partial(Figure.of, metric, ruler, found, len(drawn)))
        if found.details:
            details[source] = dict(found.details)
    floor = ruler.real_against_real
    return {
        **{source: _finite(float(figure.value)) for source, figure in figures.items()},
        "higher_is_better": bool(metric.higher_is_better),
        "recovery": recovered(figures, higher_is_better=metric.higher_is_better),
        "real_against_real": None if floor is None else _finite(floor),
        "notes": list(ruler.notes),
        "details": details,
        "protocol": dict(figures["compressed"].protocol),
    }


def recovered(figures: Mapping[str, Figure], *, higher_is_better: bool) -> float | None:
    """Return the share of the teacher's gain that the compressed generator keeps.

    Args:
        figures: Of ``teacher``, ``compressed`` and ``baseline``.
        higher_is_better: Which way is up.

    Returns:
        The share; None where the teacher is no better than the baseline, and there is nothing to
        recover.

    Raises:
        DataError: If their protocols differ.
    """
    if not {"teacher", "compressed", "baseline"} <= set(figures):
        return None
    teacher, baseline = figures["teacher"], figures["baseline"]
    better = (baseline.value, teacher.value)
    if not (better[0] < better[1] if higher_is_better else better[0] > better[1]):
        return None
    return recovery(baseline, teacher, figures["compressed"])


def _offered(offered: Mapping[str, Metric]) -> dict[str, Metric]:
    return dict(offered) or {metric.name: metric for metric in core.gancompress_metrics()}


def _configured(metric: Metric, options: Mapping[str, Any], *, trust: bool) -> Metric:
    return _ask(metric, lambda: metric.configure(options, trust=trust))


def _find(name: str, known: Mapping[str, Metric]) -> Metric:
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    raise ConfigError(
        f"there is no metric '{name}'", hint=f"{guess}known metrics: {', '.join(known)}"
    )


def _figure(metric: Metric, pictures: Tensor, reals: Tensor) -> float:
    return _ask(metric, lambda: float(metric.compute(pictures, reals)))


def _ask(metric: Metric, question: Callable[[], T]) -> T:
    try:
        return question()
    except GancompressError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise PluginError(
            f"metric '{metric.name}' failed: {type(error).__name__}: {first}",
            hint="leave it out, or see the whole story with --traceback",
        ) from error


def _distance(metric: Metric) -> Callable[[Tensor, Tensor], float]:
    return lambda drawn, teacher: _figure(metric, drawn, teacher)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
