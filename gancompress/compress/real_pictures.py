"""What metrics need of the real pictures, taken ahead of the runs that will want it."""

from collections.abc import Iterable, Mapping
from typing import Any

from gancompress.compress.metrics import find_metrics, make_ready
from gancompress.compress.pictures import batches_of
from gancompress.compress.prepare import open_split
from gancompress.config import RunConfig
from gancompress.errors import ConfigError
from gancompress.events import Emit, StageProgress, StageStarted, discard
from gancompress.gan import AnyFamily
from gancompress.metrics import Metric, OnFeatures
from gancompress.metrics.metric import targets_of

STAGE = "stats"


def keep_statistics(
    family: AnyFamily,
    config: RunConfig,
    metrics: Mapping[str, Metric],
    names: Iterable[str] = (),
    *,
    split: str = "test",
    most: int | None = None,
    emit: Emit = discard,
) -> list[dict[str, Any]]:
    """Take the features of a split's real pictures, and keep them in the user's cache.

    Args:
        family: The GAN family.
        config: The configuration: the family's options and the seed.
        metrics: Metrics by name, with their options.
        names: Which ones; by default those of ``evaluate.metrics`` and ``search.score`` that keep
            statistics, and ``frechet-lite0``.
        split: ``train``, ``val`` or ``test``.
        most: Pictures at most; None takes all.
        emit: Receives events.

    Returns:
        For each metric its name, the split, the number of pictures and their digest, the file,
        whether it was there already, the figure of real pictures against real ones, notes, and
        the protocol.

    Raises:
        ConfigError: If a metric is unknown, or keeps no statistics.
        DataError: If the data cannot be read, or have no targets.
        MissingExtraError: If a library of a metric is not installed.
    """
    chosen = _chosen(config, metrics, tuple(names))
    make_ready(chosen.values())
    options = family.options.model_validate(config.options)
    data = batches_of(open_split(family, options, split), config.seed, most=most)
    real = targets_of(data)
    rows = []
    emit(StageStarted(STAGE, len(chosen)))
    for name, metric in chosen.items():
        kept, ruler = metric.statistics(real), metric.against(data)
        rows.append(
            {
                "metric": name,
                "split": split,
                "pictures": len(real),
                "sha256": kept.sha256,
                "file": None if kept.path is None else str(kept.path),
                "known": kept.known,
                "real_against_real": ruler.real_against_real,
                "notes": list(ruler.notes),
                "protocol": metric.protocol(),
            }
        )
        emit(StageProgress(STAGE, len(rows)))
    return rows


def _chosen(
    config: RunConfig, metrics: Mapping[str, Metric], names: tuple[str, ...]
) -> dict[str, OnFeatures[Any]]:
    usual = ("frechet-lite0", config.search.score, *config.evaluate.metrics)
    found = find_metrics(dict.fromkeys(names or usual), metrics)
    keeping = {name: x for name, x in found.items() if isinstance(x, OnFeatures)}
    for name in names:
        if name not in keeping:
            known = [key for key, metric in metrics.items() if isinstance(metric, OnFeatures)]
            raise ConfigError(
                f"the metric '{name}' keeps no statistics of real pictures",
                hint=f"those that do: {', '.join(known)}",
            )
    return keeping
