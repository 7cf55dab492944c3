"""The search of a run: under its budget, by its metric, kept in its directory or in a database."""

import hashlib
import json
import math

from gancompress.compress.opening import has_begun
from gancompress.compress.prepare import Project
from gancompress.compress.pricing import search_budget, subnet_cost
from gancompress.compress.records import load_sensitivity
from gancompress.compress.scoring import subnet_score
from gancompress.compress.stage import Stopwatch, require, skip
from gancompress.compress.stages import load_distilled
from gancompress.compress.timing import subnet_timer
from gancompress.compress.trials import load_trials, save_trials, trial_values
from gancompress.compress.workers import Workers, scorers
from gancompress.cost import measure_cost
from gancompress.distill import Team
from gancompress.elastic import MacEstimate, SubnetConfig, Supernet
from gancompress.errors import DataError, RunError
from gancompress.events import Emit, discard
from gancompress.metrics import Figure, check_comparable
from gancompress.passes.sort import unit_importance
from gancompress.search import SearchResult, search
from gancompress.sensitivity import seeds
from gancompress.store import RunDirectory, read_json, write_json
from gancompress.store.download import sha256_of

RECORD = "search.sqlite3"


def search_subnet(
    run: RunDirectory,
    project: Project,
    *,
    workers: Workers | None = None,
    storage: str | None = None,
    again: bool = False,
    emit: Emit = discard,
) -> SearchResult:
    """Score subnets on validation pictures, without retraining, within the budget.

    The score is a metric against the real pictures, by default the Fréchet distance on
    EfficientNet-Lite0 features.

    Args:
        run: An open run directory; ``search.sqlite3``, ``score.json`` and ``trials.json`` are
            written.
        project: Its supernet gets the distilled weights.
        workers: Who scores; None for this process.
        storage: Address of a database in place of ``search.sqlite3``, by which several run
            directories with the same supernet share one search; it is written down nowhere.
        again: Whether a search that is done goes on, where more trials are asked for than it has.
        emit: Receives events.

    Returns:
        Every trial; of a search that is done, as it was written down.

    Raises:
        RunError: If there is no distilled supernet, seeds are asked for where the sensitivity was
            not measured, or a search is to go on and there is none.
        BudgetError: If no subnet meets the budget.
        DataError: If the pictures are too few for the metric, or it needs what the data lack.
        ConfigError: If the workers cannot be employed, or the storage is no address.
        StorageError: If the storage cannot be written.
    """
    with Team.join().first():
        if not again and skip(run, "search", emit):
            return load_trials(run.path("trials.json"))
        if again and storage is None and not has_begun(run, "search"):
            raise RunError(
                f"there is no search in '{run.root}' to go on with",
                hint="leave --resume out, and one begins",
            )
        needed = ("distill", "sensitivity") if project.config.search.seeds else ("distill",)
        require(run, "search", *needed)
        load_distilled(run, project)
        watch = Stopwatch(run, "search")
        found = _search(run, project, workers, storage, emit)
        save_trials(run.path("trials.json"), found)
        best, score = trial_values(found.best), read_json(run.path("score.json"))
        watch.finish({"best": best, "trials": len(found.trials), "score": score})
        return found


def _search(
    run: RunDirectory,
    project: Project,
    workers: Workers | None,
    storage: str | None,
    emit: Emit,
) -> SearchResult:
    settings, inputs = project.config.search, project.teacher.example_inputs
    measure, figure = subnet_score(project)
    _settle_score(run, figure)
    timer = subnet_timer(run, project) if settings.latency_ms is not None else None
    with scorers(project, measure, workers, emit=emit) as evaluator:
        return search(
            project.supernet,
            budget=search_budget(project, timer),
            evaluator=evaluator,
            cost=lambda net: measure_cost(net, inputs),
            latency=timer,
            estimate=MacEstimate(project.supernet),
            trials=settings.trials,
            sampler=settings.sampler,
            batch=settings.batch,
            seeds=_seeds(run, project) if settings.seeds else (),
            importance=_importance(project.supernet),
            seed=project.config.seed,
            storage=storage or run.path(RECORD),
            identity=_identity(run),
            emit=emit,
        )


def _identity(run: RunDirectory) -> dict[str, str]:
    """Return what makes the scores of two searches comparable, beside the settings."""
    score = read_json(run.path("score.json"))
    protocol = hashlib.sha256(json.dumps(score, sort_keys=True).encode()).hexdigest()
    return {"weights": sha256_of(run.path("distill.safetensors")), "protocol": protocol}


def _importance(supernet: Supernet) -> dict[str, list[float]]:
    """Return how much each unit's trained weights weigh, by group."""
    graph = supernet.graph
    return {
        key: unit_importance(graph, graph.group(key), supernet.net).tolist()
        for key in supernet.space.choices
    }


def _seeds(run: RunDirectory, project: Project) -> tuple[SubnetConfig, ...]:
    return seeds(
        load_sensitivity(run),
        project.supernet.space,
        budget=search_budget(project),
        price=lambda config: subnet_cost(project, config),
    )


def _settle_score(run: RunDirectory, score: Figure) -> None:
    """Write down how subnets are scored, and refuse another way once a search has begun."""
    place = run.path("score.json")
    if place.is_file() and has_begun(run, "search"):
        known = read_json(place, hint=f"remove it and '{RECORD}', and the search begins anew")
        try:
            check_comparable(Figure(str(known.get("metric")), math.nan, known["protocol"]), score)
        except DataError as error:
            raise RunError(
                f"the search of '{run.root}' has begun with other scores: {error.message}",
                hint=f"remove '{place}' and '{RECORD}' beside it, and it begins anew",
            ) from None
    write_json(place, {"metric": score.metric, "protocol": dict(score.protocol)})
