"""What would stop a stage is found before the first one begins, and before a file is written."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gancompress.compress.metrics import check_pairing, find_metrics, make_ready
from gancompress.compress.prepare import Project
from gancompress.compress.pricing import candidates
from gancompress.compress.timing import EAGER
from gancompress.config import DistillConfig, RunConfig
from gancompress.cost import Budget
from gancompress.distill import (
    DistillLoss,
    Team,
    check_loop,
    check_trackers,
    find_device,
    find_losses,
)
from gancompress.errors import DataError, MissingExtraError
from gancompress.events import Emit, Notice, discard
from gancompress.export import ExportTarget, check_target, find_target
from gancompress.metrics import FrechetLite0, Lite0Features, Metric, ReferenceStatistics

# A distribution of features has a spread from two pictures on.
FEWEST: Final = 2
# Which pictures a stage scores on.
_SPLITS: Final = {"search": "val", "evaluate": "test"}


def check_parts(
    config: RunConfig,
    targets: Sequence[ExportTarget],
    metrics: Mapping[str, Metric],
    stages: Sequence[str],
    later: Sequence[str] = (),
    *,
    losses: Mapping[str, DistillLoss] = MappingProxyType({}),
    device: str | None = None,
    emit: Emit = discard,
) -> None:
    """Make sure that what stages need beside the data is there; this takes no time.

    Args:
        config: The configuration.
        targets: Export targets of plugins.
        metrics: Metrics by name.
        stages: Stages that are about to begin.
        later: Stages of later calls: an optional library that they need may still be installed,
            so that it is missing is a notice only.
        losses: Distillation losses by name; empty for the core's own.
        device: Where it trains and scores; see `find_device`.
        emit: Receives events.

    Raises:
        MissingExtraError: If an optional library is not installed.
        CheckpointError: If the weights of the feature extractor are damaged.
        ConfigError: If a metric or a distillation loss is unknown, or a training asks for what is
            not to be had here.
        ExportError: If the export target is unknown, has no such precision, or does not run here.
    """

    def ready(*names: str) -> None:
        make_ready(find_metrics(names, metrics).values())

    def search() -> None:
        ready(config.search.score)
        if config.search.latency_ms is not None and config.search.on != EAGER:
            find_target(config.search.on, targets).check()

    for stage, training in (("distill", config.distill), ("finetune", config.finetune)):
        if stage in stages:
            _check_training(training, device)
    checks: dict[str, Callable[[], object]] = {
        "distill": lambda: _check_losses(config.distill, losses),
        "finetune": lambda: _check_losses(config.finetune, losses),
        "search": search,
        "export": lambda: check_target(
            find_target(config.export.target, targets),
            config.export.device,
            config.export.precision,
        ),
        "evaluate": lambda: ready(FrechetLite0.name, *config.evaluate.metrics),
    }
    for stage, check in checks.items():
        try:
            if stage in {*stages, *later}:
                check()
        except MissingExtraError as error:
            if stage in stages:
                raise
            emit(Notice(stage, f"{error.message}; {error.hint}"))


def _check_training(settings: DistillConfig, device: str | None) -> None:
    team = Team.join()
    check_loop(settings, team, find_device(device, team))
    check_trackers(settings.trackers)


def _check_losses(settings: DistillConfig, losses: Mapping[str, DistillLoss]) -> None:
    Budget(settings.macs)  # refuses what is no budget
    for loss in find_losses(settings.losses, losses).values():
        loss.check()


def rehearse(project: Project, stages: Sequence[str]) -> None:
    """Do in small what stages will do with the project: price a subnet, score two pictures.

    Args:
        project: What the stages work on.
        stages: Stages that are about to begin, or will in later calls.

    Raises:
        BudgetError: If not even the smallest subnet would meet the budget of the search.
        ConfigError: If a metric needs pairs, and the data have none.
        DataError: If there are too few pictures to score on, or they cannot be compared.
    """
    if {"distill", "search"} & set(stages):
        candidates(project).check_budget()
    config = project.config
    chosen = {"search": (config.search.score,), "evaluate": config.evaluate.metrics}
    for stage, split in _SPLITS.items():
        if stage in stages:
            named = find_metrics(chosen[stage], project.metrics)
            check_pairing(named.values(), project.data[split][0])
            _score_two(project, split)
            _try_metrics(project, stage, split)


def _try_metrics(project: Project, stage: str, split: str) -> None:
    config, count = project.config, len(project.data[split])
    names: tuple[str, ...] = config.evaluate.metrics
    if stage == "search":
        names, count = (config.search.score,), min(count, config.search.pictures)
    for name, metric in find_metrics(names, project.metrics).items():
        if count < metric.fewest:
            more = ", or raise 'search.pictures'" if stage == "search" else ""
            raise DataError(
                f"'{name}' needs at least {metric.fewest} pictures, and '{stage}' has {count}",
                hint=f"give more pictures{more}; of kid the option 'subset_size' says how many",
            )
        metric.rehearse(project.batches(split, most=FEWEST))


def _score_two(project: Project, split: str) -> None:
    count = len(project.data[split])
    if count < FEWEST:
        raise DataError(
            f"the split '{split}' holds {count} picture, and a score needs at least {FEWEST}",
            hint=f"put more pictures into '{split}', best some hundreds",
        )
    try:
        features = Lite0Features()
    except MissingExtraError:  # of a later call, which has been told by now
        return
    ReferenceStatistics.gather(
        project.batches(split, most=FEWEST),
        teacher=project.teacher.module,
        features=features,
        baseline=project.baseline,
    )
