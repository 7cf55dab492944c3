"""Figures with their protocol, so that only like ones are put into a ratio."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gancompress.errors import DataError
from gancompress.metrics.metric import Measurement, Metric, Ruler


@dataclass(frozen=True)
class Figure:
    """One value of a metric, and what it must share with another to be comparable.

    Args:
        metric: Name of the metric.
        value: The value.
        protocol: The metric's protocol, the number of pictures, and under ``references`` the
            number and the digest of the pictures that they were compared with.
    """

    metric: str
    value: float
    protocol: Mapping[str, Any]

    @classmethod
    def of(cls, metric: Metric, ruler: Ruler, found: Measurement, pictures: int) -> "Figure":
        """Write down a measurement with its protocol.

        Args:
            metric: The metric.
            ruler: What it compared with.
            found: What it said.
            pictures: How many pictures it said it about.
        """
        return cls(metric.name, found.value, protocol_of(metric, ruler, pictures))


Score: TypeAlias = float | Figure
"""A bare value, whose protocol the caller answers for, or one with its protocol."""


def protocol_of(metric: Metric, ruler: Ruler, pictures: int) -> dict[str, Any]:
    """Return all that makes a figure comparable, as JSON-able values.

    Args:
        metric: The metric.
        ruler: What it compares with.
        pictures: How many pictures it measures.
    """
    return {
        **metric.protocol(),
        "pictures": pictures,
        "references": {"pictures": ruler.pictures, "sha256": ruler.sha256},
    }


def check_comparable(first: Figure, *others: Figure) -> None:
    """Refuse figures that were not measured alike.

    Args:
        first: A figure.
        others: Those that are to be compared with it.

    Raises:
        DataError: If metric or protocol differ; it names the first difference.
    """
    for other in others:
        if first.metric != other.metric:
            raise DataError(
                f"'{first.metric}' and '{other.metric}' are two metrics, and cannot be compared",
                hint="compare figures of one metric",
            )
        difference = next(_differences(first.protocol, other.protocol), None)
        if difference is not None:
            place, a, b = difference
            raise DataError(
                f"two figures of '{first.metric}' cannot be compared: '{place}' is {a} in one and "
                f"{b} in the other",
                hint="measure both again in one way; see docs/explanation/comparing-figures",
            )


def recovery(baseline: Score, teacher: Score, compressed: Score) -> float | None:
    """Return the share of the teacher's gain over the baseline that a compressed net keeps.

    Args:
        baseline: Score of the picture that costs nothing.
        teacher: Score of the teacher, on the same pictures.
        compressed: Score of the compressed net, on the same pictures.

    Returns:
        ``(baseline - compressed) / (baseline - teacher)``: 1 at the teacher, 0 at the baseline,
        whichever direction is better; None where teacher and baseline score the same, or a score
        is not finite.

    Raises:
        DataError: If the scores carry protocols, and these differ.
    """
    scores = (baseline, teacher, compressed)
    figures = [score for score in scores if isinstance(score, Figure)]
    if figures:
        check_comparable(*figures)
    values = [score.value if isinstance(score, Figure) else score for score in scores]
    if not all(map(math.isfinite, values)):
        return None
    nothing, full, kept = values
    gain = nothing - full
    return (nothing - kept) / gain if gain else None


def _differences(a: Any, b: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two JSON-able values differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys([*a, *b]):
            inner = f"{place}.{key}".lstrip(".")
            yield from _differences(a.get(key, "absent"), b.get(key, "absent"), inner)
    elif _plain(a) != _plain(b):
        yield place, _quoted(a), _quoted(b)


def _plain(value: Any) -> Any:
    # JSON, through which one of them may have gone, has no tuples.
    return [_plain(x) for x in value] if isinstance(value, list | tuple) else value


def _quoted(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
