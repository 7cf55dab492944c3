"""The trials of a search as JSON, and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gancompress.compress.records import TrialsRecord, check
from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import RunError, SubnetError
from gancompress.search import SearchResult, Trial
from gancompress.store import read_json, write_json

# The search's own record is in its SQLite file, so that this one costs nothing to write again.
_HINT: Final = "remove it, and the search writes it again"


def save_trials(path: Path, found: SearchResult) -> None:
    """Write every trial, the numbers of the Pareto front, and the best one's.

    Args:
        path: The JSON file.
        found: What the search gave.

    Raises:
        StorageError: If it cannot be written.
    """
    write_json(
        path,
        {
            "best": found.best.number,
            "front": [trial.number for trial in found.front],
            "trials": [trial_values(trial) for trial in found.trials],
        },
    )


def load_trials(path: Path) -> SearchResult:
    """Read what `save_trials` wrote; nothing is scored again.

    Args:
        path: The JSON file.

    Returns:
        The result of the search.

    Raises:
        RunError: If the file is missing or damaged.
    """
    content = read_json(path, hint=_HINT)
    check(TrialsRecord, content, path, _HINT)
    try:
        return SearchResult.of(_trial(values) for values in content["trials"])
    except SubnetError as error:
        raise RunError(f"'{path}' is damaged: {error.message}", hint=_HINT) from None
    except ValueError:
        raise RunError(f"'{path}' is damaged: it holds not one trial", hint=_HINT) from None


def trial_values(trial: Trial) -> dict[str, Any]:
    """Return a trial as JSON values; a score that is no number is null.

    Args:
        trial: The trial.
    """
    return {
        "number": trial.number,
        "widths": dict(trial.config.widths),
        "cost": asdict(trial.cost),
        "score": trial.score if math.isfinite(trial.score) else None,
    }


def _trial(values: Mapping[str, Any]) -> Trial:
    score = math.inf if values["score"] is None else float(values["score"])
    return Trial(values["number"], SubnetConfig(values["widths"]), Cost(**values["cost"]), score)
