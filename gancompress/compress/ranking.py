"""Whether a search's ranking holds: a few of its subnets, fine-tuned and scored again."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from scipy import stats

from gancompress.compress.prepare import Project
from gancompress.compress.records import RankingRecord, check
from gancompress.compress.scoring import subnet_score
from gancompress.compress.stage import require
from gancompress.compress.stages import load_distilled
from gancompress.compress.trials import load_trials
from gancompress.config import DistillConfig
from gancompress.distill import distill
from gancompress.errors import ConfigError
from gancompress.events import (
    Emit,
    Notice,
    StageFinished,
    StageProgress,
    StageStarted,
    discard,
)
from gancompress.search import SearchResult, Trial
from gancompress.store import RunDirectory, read_json, write_json

FEWEST: Final = 3
RECORD: Final = "ranking.json"
STAGE: Final = "ranking"
# A share of the fine-tuning is enough to see who comes out first.
_SHARE: Final = 5


@dataclass(frozen=True)
class Agreement:
    """How far two rankings agree.

    Args:
        tau: Kendall's τ-b, in [-1, 1]: 1 for the same order, 0 for none; None where one of the
            two does not order at all.
        p_value: Chance that unrelated rankings agree or disagree as much; exact where no two
            scores are equal. None with the other.
    """

    tau: float | None
    p_value: float | None


def check_ranking(
    run: RunDirectory,
    project: Project,
    count: int,
    *,
    steps: int | None = None,
    emit: Emit = discard,
) -> dict[str, Any]:
    """Fine-tune subnets across the front of a search, and compare the two rankings.

    A search scores subnets with the supernet's weights. That is worth something as far as the
    order stays once each has weights of its own (Kendall's τ; Yu et al., arXiv 1902.08142).

    Args:
        run: An open run directory in which ``search`` is done; ``ranking.json`` is written, after
            each subnet, and what is in it is not done again.
        project: Its supernet gets the distilled weights, once for each subnet.
        count: Subnets, at least 3.
        steps: Steps of fine-tuning; None takes a fifth of the run's own.
        emit: Receives events.

    Returns:
        What ``ranking.json`` holds: the steps, of each subnet number, widths, MACs and both
        scores, lower being better, and τ with its p-value.

    Raises:
        ConfigError: If there are fewer than three subnets to compare.
        RunError: If the search is not done, or ``ranking.json`` is damaged.
        TrainingError: If a loss is not finite.
    """
    require(run, STAGE, "distill", "search")
    settings = project.config.finetune
    steps = max(1, settings.steps // _SHARE) if steps is None else steps
    if count < FEWEST or steps < 1:
        raise ConfigError(
            f"a ranking of {count} subnets after {steps} steps cannot be checked",
            hint=f"compare at least {FEWEST}, after at least one step",
        )
    chosen = across_the_front(load_trials(run.path("trials.json")), count)
    if len(chosen) < FEWEST:
        raise ConfigError(
            f"the search has scored {len(chosen)} subnets, too few for a ranking",
            hint="go on with it: --resume --trials 20",
        )
    if len(chosen) < count:
        emit(Notice(STAGE, f"the search has no more than {len(chosen)} subnets to compare"))
    short = settings.model_copy(update={"steps": steps})
    known = _known(run, steps)
    emit(StageStarted(STAGE, len(chosen), sum(trial.number in known for trial in chosen)))
    for done, trial in enumerate(chosen, 1):
        if trial.number not in known:
            known[trial.number] = _row(trial, _finetuned(run, project, trial, short))
            _save(run, steps, known, chosen)
        emit(StageProgress(STAGE, done, {"finetuned": known[trial.number]["finetuned"]}))
    result = _save(run, steps, known, chosen)
    emit(StageFinished(STAGE, 0.0))
    return result


def across_the_front(found: SearchResult, count: int) -> tuple[Trial, ...]:
    """Choose subnets that are spread evenly over the front, its ends among them.

    Args:
        found: What a search has found.
        count: How many; where the front has fewer, the best of the rest are added.

    Returns:
        Trials by MACs ascending, none twice; those whose score is no number are left out.
    """
    front = [trial for trial in found.front if math.isfinite(trial.score)]
    if len(front) >= count:
        last = max(count - 1, 1)
        return tuple(front[round(i * (len(front) - 1) / last)] for i in range(count))
    on_front = {trial.number for trial in front}
    rest = [t for t in found.trials if t.number not in on_front and math.isfinite(t.score)]
    rest.sort(key=lambda trial: (trial.score, trial.number))
    chosen = [*front, *rest[: count - len(front)]]
    return tuple(sorted(chosen, key=lambda trial: (trial.cost.macs, trial.number)))


def agreement(one: Sequence[float], other: Sequence[float]) -> Agreement:
    """Compare two rankings of the same things.

    Args:
        one: A score of each.
        other: Another.
    """
    found = stats.kendalltau(one, other)
    tau, p_value = float(found.statistic), float(found.pvalue)
    return Agreement(tau, p_value) if math.isfinite(tau) else Agreement(None, None)


def _finetuned(run: RunDirectory, project: Project, trial: Trial, settings: DistillConfig) -> float:
    """Train a subnet from the supernet's weights, and score it as the search does."""
    load_distilled(run, project)
    torch.manual_seed(project.config.seed)  # the adapters' first weights
    folder = run.path(f"checkpoints/{STAGE}-{settings.steps}-{trial.number}")
    distill(
        project.supernet,
        teacher=project.teacher,
        data=project.data["train"],
        objective=project.objective,
        config=settings,
        subnet=trial.config,
        folder=folder,
        seed=project.config.seed,
        stage=STAGE,
        device=project.device,
    )
    score, _ = subnet_score(project)
    found = score(project.supernet.materialise(trial.config).eval())
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _row(trial: Trial, finetuned: float) -> dict[str, Any]:
    return {
        "number": trial.number,
        "widths": dict(trial.config.widths),
        "macs": trial.cost.macs,
        "score": trial.score,
        "finetuned": finetuned,
    }


def _save(
    run: RunDirectory,
    steps: int,
    known: Mapping[int, Mapping[str, Any]],
    chosen: Sequence[Trial],
) -> dict[str, Any]:
    rows = [known[trial.number] for trial in chosen if trial.number in known]
    found = Agreement(None, None)
    if len(rows) >= FEWEST:
        found = agreement([row["score"] for row in rows], [row["finetuned"] for row in rows])
    result = {
        "steps": steps,
        "subnets": rows,
        "kendall_tau": found.tau,
        "p_value": found.p_value,
    }
    write_json(run.path(RECORD), result)
    return result


def _known(run: RunDirectory, steps: int) -> dict[int, dict[str, Any]]:
    """Return what an earlier call has found after as many steps."""
    place = run.path(RECORD)
    if not place.is_file():
        return {}
    hint = "remove it, and the subnets are fine-tuned again"
    content = read_json(place, hint=hint)
    check(RankingRecord, content, place, hint)
    return {row["number"]: row for row in content["subnets"] if content["steps"] == steps}
