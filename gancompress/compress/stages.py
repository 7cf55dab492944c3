"""Distil, search, fine-tune: each finds what an earlier run has finished, and goes on."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import fx, nn

from gancompress.compress.checkpoint import load_into
from gancompress.compress.metrics import find_metrics, score_with
from gancompress.compress.opening import has_begun
from gancompress.compress.prepare import Project
from gancompress.compress.records import load_sensitivity, read_summary
from gancompress.compress.stage import Stopwatch, command, is_done, missing, require, skip
from gancompress.compress.trials import load_trials, save_trials, trial_values
from gancompress.cost import Budget, Cost, measure_cost
from gancompress.distill import FitResult, distill, shape_critics
from gancompress.elastic import SubnetConfig, calibrate_batch_norm
from gancompress.errors import CheckpointError, DataError, RunError, SubnetError
from gancompress.events import Emit, discard
from gancompress.export import CompressedModel
from gancompress.gan import collate
from gancompress.metrics import Figure, check_comparable
from gancompress.search import SearchResult, search
from gancompress.search.candidates import Candidates
from gancompress.sensitivity import seeds
from gancompress.store import RunDirectory, read_json, save_tensors, write_json

CALIBRATION_PICTURES = 128
_PARTS = ("distill", "distill-discriminators")


def distill_supernet(run: RunDirectory, project: Project, *, emit: Emit = discard) -> None:
    """Train the once-for-all supernet in place.

    Args:
        run: An open run directory; ``distill.safetensors`` and
            ``distill-discriminators.safetensors`` are written.
        project: What is trained.
        emit: Receives events.

    Raises:
        BudgetError: If not even the smallest subnet would meet the budget of the search.
        TrainingError: If a loss is not finite.
    """
    if skip(run, "distill", emit):
        if missing(run, "distill") is None:
            _load(run, project)
        return
    # Minutes of training are not to end in a search that cannot succeed.
    candidates(project).check_budget()
    watch = Stopwatch(run, "distill")
    result = _train(run, project, "distill", None, emit)
    modules: tuple[nn.Module, ...] = (project.supernet, project.objective.discriminators)
    for name, module in zip(_PARTS, modules, strict=True):
        save_tensors(run.path(f"{name}.safetensors"), module.state_dict())
    watch.finish({"steps": result.steps, "metrics": dict(result.metrics)})


def search_subnet(run: RunDirectory, project: Project, *, emit: Emit = discard) -> SearchResult:
    """Score subnets on validation pictures, without retraining, within the budget.

    The score is a metric against the real pictures, by default the Fréchet distance on
    EfficientNet-Lite0 features.

    Args:
        run: An open run directory; ``search.sqlite3``, ``score.json`` and ``trials.json`` are
            written.
        project: Its supernet gets the distilled weights.
        emit: Receives events.

    Returns:
        Every trial; of a search that is done, as it was written down.

    Raises:
        RunError: If there is no distilled supernet, or seeds are asked for where the sensitivity
            was not measured.
        BudgetError: If no subnet meets the budget.
        DataError: If the pictures are too few for the metric, or it needs what the data lack.
    """
    if skip(run, "search", emit):
        return load_trials(run.path("trials.json"))
    require(run, "search", "distill", *(["sensitivity"] if project.config.search.seeds else []))
    _load(run, project)
    settings, inputs = project.config.search, project.teacher.example_inputs
    watch = Stopwatch(run, "search")
    found = search(
        project.supernet,
        budget=_budget(project),
        score=_score(run, project),
        cost=lambda net: measure_cost(net, inputs),
        trials=settings.trials,
        sampler=settings.sampler,
        seeds=_seeds(run, project) if settings.seeds else (),
        seed=project.config.seed,
        storage=run.path("search.sqlite3"),
        emit=emit,
    )
    save_trials(run.path("trials.json"), found)
    best = trial_values(found.best)
    score = read_json(run.path("score.json"))
    watch.finish({"best": best, "trials": len(found.trials), "score": score})
    return found


def finetune_subnet(
    run: RunDirectory,
    project: Project,
    subnet: SubnetConfig | None = None,
    *,
    emit: Emit = discard,
) -> fx.GraphModule:
    """Train one subnet alone and take it out of the supernet.

    Args:
        run: An open run directory; ``model/`` is written, a `CompressedModel`.
        project: Its supernet gets the distilled weights.
        subnet: Its widths; None takes those that fine-tuning has begun with, or the best of the
            search.
        emit: Receives events.

    Returns:
        A net of plain layers, in eval mode, batch-norm statistics calibrated.

    Raises:
        RunError: If there is no distilled supernet, no search to take the best of, or the stage
            has begun with another subnet.
        SubnetError: If the widths are not in the space.
        TrainingError: If a loss is not finite.
    """
    if subnet is None:
        subnet = begun_subnet(run)
    if is_done(run, "finetune") and subnet is not None:
        _settle_subnet(run, subnet)
    if skip(run, "finetune", emit):
        return compressed_net(run)
    require(run, "finetune", "distill", *(["search"] if subnet is None else []))
    chosen = load_trials(run.path("trials.json")).best.config if subnet is None else subnet
    project.supernet.activate(chosen)  # widths that do not fit are refused here
    _settle_subnet(run, chosen)
    _load(run, project)
    watch = Stopwatch(run, "finetune")
    result = _train(run, project, "finetune", chosen, emit)
    card = {"family": project.config.family, "recipe": project.config.recipe or ""}
    model = CompressedModel.from_supernet(project.supernet, chosen, card=card)
    calibrate_batch_norm(
        model.module, [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]
    )
    model.save(run.path("model"))
    summary = {
        "steps": result.steps,
        "metrics": dict(result.metrics),
        "widths": dict(chosen.widths),
        "costs": {"teacher": asdict(teacher_cost(project)), "compressed": asdict(model.cost)},
    }
    watch.finish(summary)
    return compressed_net(run)


def compressed_net(run: RunDirectory) -> fx.GraphModule:
    """Read the compressed generator of a run.

    Args:
        run: A run directory in which ``finetune`` is done.

    Returns:
        The net, in eval mode.

    Raises:
        CheckpointError: If ``model/`` is missing or damaged.
    """
    try:
        net = CompressedModel.load(run.path("model")).module
    except CheckpointError as error:
        again = f"remove '{run.path('model')}', and `{command(run, 'finetune')}` makes it again"
        raise CheckpointError(error.message, hint=again) from None
    if not isinstance(net, fx.GraphModule):  # pragma: no cover - what load builds
        raise CheckpointError(f"'{run.path('model')}' holds no graph")
    return net


def teacher_cost(project: Project) -> Cost:
    """Measure what the teacher costs on one picture.

    Args:
        project: Gives the teacher.
    """
    return measure_cost(project.teacher.module, project.teacher.example_inputs)


def _budget(project: Project) -> Budget:
    settings = project.config.search
    return Budget(settings.macs, settings.params).resolve(teacher_cost(project))


def candidates(project: Project) -> Candidates:
    """Return the subnets that a search may look at, with the budget that they have to meet.

    Args:
        project: Gives the supernet, the teacher and the settings.
    """
    supernet, inputs = project.supernet, project.teacher.example_inputs
    return Candidates(
        supernet.space.choices,
        _budget(project),
        lambda config: measure_cost(supernet.materialise(config), inputs),
    )


def _seeds(run: RunDirectory, project: Project) -> tuple[SubnetConfig, ...]:
    supernet, inputs = project.supernet, project.teacher.example_inputs
    return seeds(
        load_sensitivity(run),
        supernet.space,
        budget=_budget(project),
        price=lambda config: measure_cost(supernet.materialise(config), inputs),
    )


def _score(run: RunDirectory, project: Project) -> Callable[[nn.Module], float]:
    settings = project.config.search
    batches = project.batches("val", most=settings.pictures)
    chosen = find_metrics([settings.score], project.metrics)[settings.score]
    measure, protocol = score_with(chosen, batches)
    _settle_score(run, Figure(settings.score, math.nan, protocol))
    calibration = [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]

    def score(net: nn.Module) -> float:
        calibrate_batch_norm(net, calibration)
        return measure(net)

    return score


def _settle_score(run: RunDirectory, score: Figure) -> None:
    """Write down how subnets are scored, and refuse another way once a search has begun."""
    place = run.path("score.json")
    if place.is_file() and has_begun(run, "search"):
        known = read_json(place, hint="remove it and 'search.sqlite3', and the search begins anew")
        try:
            check_comparable(Figure(str(known.get("metric")), math.nan, known["protocol"]), score)
        except DataError as error:
            raise RunError(
                f"the search of '{run.root}' has begun with other scores: {error.message}",
                hint=f"remove '{place}' and 'search.sqlite3' beside it, and it begins anew",
            ) from None
    write_json(place, {"metric": score.metric, "protocol": dict(score.protocol)})


def _load(run: RunDirectory, project: Project) -> None:
    """Put what distillation ended with into the project, in the mode of one that was just made.

    A supernet that this process has trained is in train mode, and its batch norms would count
    the batch on which fine-tuning matches its adapters.
    """
    project.supernet.eval()
    first = collate([project.data["train"][0]])
    shape_critics(project.objective, project.config.distill, project.supernet, first)
    modules = (project.supernet, project.objective.discriminators)
    for name, module in zip(_PARTS, modules, strict=True):
        path = run.path(f"{name}.safetensors")
        try:
            load_into(module, path)
        except CheckpointError as error:
            again = f"remove it, and `{command(run, 'distill')}` writes it again"
            raise CheckpointError(error.message, hint=again) from None


def begun_subnet(run: RunDirectory) -> SubnetConfig | None:
    """Return the subnet that fine-tuning has begun with; None where it has not.

    Args:
        run: The run directory.

    Raises:
        RunError: If fine-tuning has begun, and the file that says with which is damaged.
    """
    if run.stage_done("finetune"):
        return SubnetConfig(read_summary(run, "finetune")["widths"])
    if not has_begun(run, "finetune"):
        return None
    place, steps = run.path("subnet.json"), run.path("checkpoints/finetune")
    try:
        return SubnetConfig.from_json(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, SubnetError) as error:
        reason = error.message if isinstance(error, SubnetError) else str(error)
        raise RunError(
            f"'{place}' is damaged, and says no more what is fine-tuned: {reason}",
            hint=f"remove it and '{steps}', and fine-tuning begins anew",
        ) from None


def _settle_subnet(run: RunDirectory, subnet: SubnetConfig) -> None:
    """Write down which subnet is fine-tuned, and refuse another once that has begun."""
    place = run.path("subnet.json")
    if begun_subnet(run) not in {None, subnet}:
        raise RunError(
            f"'finetune' of '{run.root}' has begun with other widths",
            hint=f"leave --subnet out, or compare with '{place}'",
        )
    write_json(place, json.loads(subnet.to_json()))


def _train(
    run: RunDirectory, project: Project, stage: str, subnet: SubnetConfig | None, emit: Emit
) -> FitResult:
    config = project.config
    settings = config.distill if stage == "distill" else config.finetune
    if settings.macs is None:
        settings = settings.model_copy(update={"macs": config.search.macs})
    torch.manual_seed(config.seed)  # the adapters' first weights
    return distill(
        project.supernet,
        teacher=project.teacher,
        data=project.data["train"],
        objective=project.objective,
        config=settings,
        subnet=subnet,
        losses=project.losses,
        folder=run.path(f"checkpoints/{stage}"),
        seed=config.seed,
        stage=stage,
        emit=emit,
    )
