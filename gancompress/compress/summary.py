"""What a run ends with, as one object: teacher, compressed generator, baseline."""

import math
from typing import Any, Final

from gancompress.compress.records import read_summary
from gancompress.store import RunDirectory, write_json

_COSTS: Final = ("params", "macs", "macs_published")
_SCORES: Final = ("frechet", "kid", "l1_to_target")


def summarise(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """Gather the figures of the stages that are done.

    Args:
        run: The run directory.

    Returns:
        ``{"teacher": {…}, "compressed": {…}, "baseline": {…}, "metrics": {…}, "protocol": …}``:
        what was not measured, and what is no finite number, is None; ``metrics`` holds further
        metrics by name, each with its protocol, and ``protocol`` is that of the other figures.
    """
    done = {
        stage: read_summary(run, stage) if run.stage_done(stage) else {}
        for stage in ("finetune", "export", "evaluate", "bench")
    }
    costs = done["finetune"].get("costs", {})
    files = done["export"].get("files", {})
    scores = done["evaluate"]
    latency = done["bench"].get("latency_ms", {})
    figures: dict[str, dict[str, Any]] = {}
    for name in ("teacher", "compressed"):
        own = name == "compressed"
        figures[name] = {
            **_pick(costs.get(name), _COSTS),
            "file_bytes": files.get(name, {}).get("bytes"),
            **_pick(scores.get(name), _SCORES),
            "psnr_to_teacher": _finite(scores.get("psnr_to_teacher")) if own else None,
            "latency_ms": latency.get(name, {}).get("p50"),
            # What the teacher keeps of its own gain is all of it.
            "recovery": scores.get("recovery") if own else _whole(scores.get("recovery")),
            "recovery_kid": scores.get("recovery_kid")
            if own
            else _whole(scores.get("recovery_kid")),
        }
    figures["baseline"] = _pick(scores.get("baseline"), _SCORES)
    figures["metrics"] = scores.get("metrics", {})
    figures["protocol"] = scores.get("protocol", {})
    return figures


def write_summary(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """Write ``summary.json``.

    Args:
        run: An open run directory.

    Returns:
        What `summarise` gives.

    Raises:
        StorageError: If it cannot be written.
    """
    figures = summarise(run)
    write_json(run.path("summary.json"), figures)
    return figures


def _pick(values: dict[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _finite((values or {}).get(name)) for name in names}


def _finite(value: Any) -> Any:
    return value if value is None or math.isfinite(value) else None


def _whole(share: float | None) -> float | None:
    return None if share is None else 1.0
