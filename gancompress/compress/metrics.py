"""Metrics by their name: those that a search scores with, and those that an evaluation adds."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gancompress.errors import ConfigError, GancompressError, PluginError
from gancompress.gan import Batch
from gancompress.metrics import (
    FrechetLite0,
    KernelLite0,
    MeanAbsoluteError,
    Metric,
    PeakSignal,
    PerceptualLite0,
    pictures_of,
)
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
    own: tuple[Metric, ...] = (
        FrechetLite0(),
        KernelLite0(),
        PerceptualLite0(),
        MeanAbsoluteError(),
        PeakSignal(),
    )
    known = dict(offered) or {metric.name: metric for metric in own}
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


def score_with(metric: Metric, batches: Sequence[Batch]) -> Callable[[nn.Module], float]:
    """Return what scores a generator by a metric, lower being better.

    Args:
        metric: The metric.
        batches: Pictures; see `check_pairing`.

    Returns:
        A function from a generator to its score against the real pictures.
    """
    sign = -1.0 if metric.higher_is_better else 1.0
    reals = _reals(batches)

    def score(net: nn.Module) -> float:
        return sign * _figure(metric, torch.cat(list(pictures_of(net, batches, "net"))), reals)

    return score


def compare(
    metrics: Mapping[str, Metric], pictures: Mapping[str, Iterable[Tensor]], data: Sequence[Batch]
) -> dict[str, dict[str, Any]]:
    """Measure several sources of pictures by several metrics.

    Args:
        metrics: Metrics by name.
        pictures: Pictures batch by batch, ``(N, C, H, W)`` in [-1, 1], by their source.
        data: The pictures that they were drawn for; see `check_pairing`.

    Returns:
        By metric: the figure of each source against the real pictures (None: not finite),
        whether higher ones are better, and the protocol.

    Raises:
        PluginError: If a metric fails.
    """
    if not metrics:
        return {}
    sources = {source: torch.cat(list(drawn)) for source, drawn in pictures.items()}
    reals = _reals(data)
    return {
        name: {
            **{source: _finite(_figure(metric, x, reals)) for source, x in sources.items()},
            "higher_is_better": bool(metric.higher_is_better),
            "protocol": _ask(metric, metric.protocol),
        }
        for name, metric in metrics.items()
    }


def _find(name: str, known: Mapping[str, Metric]) -> Metric:
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    raise ConfigError(
        f"there is no metric '{name}'", hint=f"{guess}known metrics: {', '.join(known)}"
    )


def _reals(batches: Sequence[Batch]) -> Tensor:
    return torch.cat([batch.real for batch in batches if batch.real is not None])


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
