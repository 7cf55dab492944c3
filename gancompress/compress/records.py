"""What stages leave in a run for others to read: its shape, and a sentence where it is another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gancompress.cost import Cost, Latency
from gancompress.errors import RunError
from gancompress.metrics import Scores
from gancompress.sensitivity import SensitivityReport
from gancompress.store import RunDirectory, read_json

SENSITIVITY: Final = "sensitivity.json"


class Record(BaseModel):
    """What is read of a JSON object; whatever else stands in it is left alone."""

    model_config = ConfigDict(extra="allow", strict=True)


class TrialRecord(Record):
    """A scored subnet; see `gancompress.search.Trial`."""

    number: int
    widths: dict[str, int]
    cost: Cost
    score: float | None


class TrialsRecord(Record):
    """All of them, in ``trials.json``."""

    trials: list[TrialRecord]


class _Ranked(Record):
    number: int
    widths: dict[str, int]
    macs: int
    score: float
    finetuned: float


class RankingRecord(Record):
    """Subnets that were fine-tuned to check a ranking, in ``ranking.json``."""

    steps: int
    subnets: list[_Ranked]


class _Search(Record):
    best: TrialRecord
    trials: int


class _Costs(Record):
    teacher: Cost
    compressed: Cost


class _Finetune(Record):
    widths: dict[str, int]
    costs: _Costs


class _File(Record):
    path: str
    bytes: int
    max_abs_error: float


class _Files(Record):
    teacher: _File
    compressed: _File


class _Export(Record):
    files: _Files


class _Figures(Record):
    teacher: float | None
    compressed: float | None
    baseline: float | None
    higher_is_better: bool
    recovery: float | None = None
    real_against_real: float | None = None


class _Evaluate(Record):
    teacher: Scores | None
    compressed: Scores
    baseline: Scores
    psnr_to_teacher: float | None
    recovery: float | None
    recovery_kid: float | None
    metrics: dict[str, _Figures] = Field(default_factory=dict)


class _Latencies(Record):
    teacher: Latency
    compressed: Latency


class _Bench(Record):
    latency_ms: _Latencies


_STAGES: Final[Mapping[str, type[Record]]] = {
    "search": _Search,
    "finetune": _Finetune,
    "export": _Export,
    "evaluate": _Evaluate,
    "bench": _Bench,
}


def read_summary(run: RunDirectory, stage: str) -> dict[str, Any]:
    """Read the summary of a stage that is done.

    Args:
        run: The run directory.
        stage: Name of the stage.

    Returns:
        The summary, with everything in it that other stages and the report look at.

    Raises:
        RunError: If the stage is not done, or its file is damaged; the hint is how it is written
            again.
    """
    summary = run.summary(stage)
    place = run.path(f"stages/{stage}.json")
    check(_STAGES.get(stage, Record), summary, place, "remove it, and the stage is done again")
    return summary


def load_sensitivity(run: RunDirectory) -> SensitivityReport:
    """Read the report that `gancompress sensitivity` has written.

    Args:
        run: The run directory.

    Raises:
        RunError: If it is missing or damaged.
    """
    place = run.path(SENSITIVITY)
    return SensitivityReport.from_json(json.dumps(read_json(place)), source=place)


def check(record: type[Record], value: Any, path: Path, hint: str) -> None:
    """Make sure that a JSON value has a shape.

    Args:
        record: The shape.
        value: The value.
        path: The file that it was read from.
        hint: How it is written again.

    Raises:
        RunError: If it has another.
    """
    try:
        # As JSON, where an object may stand for a data class and nothing is converted.
        record.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise RunError(
            f"'{path}' is damaged: '{where}' cannot be used, {first['msg'].lower()}", hint=hint
        ) from None
