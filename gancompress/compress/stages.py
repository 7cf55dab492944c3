"""Distil, search, fine-tune: each finds what an earlier run has finished, and goes on."""

import json
from dataclasses import asdict
from typing import Any

import torch
from torch import fx, nn

from gancompress.compress.checkpoint import load_into
from gancompress.compress.opening import has_begun
from gancompress.compress.prepare import Project
from gancompress.compress.pricing import candidates, teacher_cost
from gancompress.compress.records import read_summary
from gancompress.compress.scoring import CALIBRATION_PICTURES
from gancompress.compress.stage import Stopwatch, command, is_done, missing, require, skip
from gancompress.compress.trials import load_trials
from gancompress.distill import Draw, FitResult, Team, distill, shape_critics
from gancompress.elastic import SubnetConfig, calibrate_batch_norm
from gancompress.errors import CheckpointError, RunError, SubnetError
from gancompress.events import Emit, discard
from gancompress.export import CompressedModel
from gancompress.store import RunDirectory, save_tensors, write_json

_PARTS = ("distill", "distill-discriminators")


def distill_supernet(
    run: RunDirectory, project: Project, *, draw: Draw | None = None, emit: Emit = discard
) -> None:
    """Train the once-for-all supernet in place.

    Args:
        run: An open run directory; ``distill.safetensors`` and
            ``distill-discriminators.safetensors`` are written.
        project: What is trained.
        draw: Writes sample pictures.
        emit: Receives events.

    Raises:
        BudgetError: If not even the smallest subnet would meet the budget of the search.
        TrainingError: If the training has diverged twice.
    """
    team = Team.join()
    if team.share(skip(run, "distill", emit)):
        if missing(run, "distill") is None:
            load_distilled(run, project)
        return
    # Minutes of training are not to end in a search that cannot succeed.
    candidates(project).check_budget()
    watch = Stopwatch(run, "distill")
    result = _train(run, project, "distill", None, draw=draw, emit=emit)
    modules: tuple[nn.Module, ...] = (project.supernet, project.objective.discriminators)
    if team.leads:
        for name, module in zip(_PARTS, modules, strict=True):
            save_tensors(run.path(f"{name}.safetensors"), module.state_dict())
        watch.finish({"steps": result.steps, "metrics": dict(result.metrics)})


def finetune_subnet(
    run: RunDirectory,
    project: Project,
    subnet: SubnetConfig | None = None,
    *,
    draw: Draw | None = None,
    emit: Emit = discard,
) -> fx.GraphModule:
    """Train one subnet alone and take it out of the supernet.

    Args:
        run: An open run directory; ``model/`` is written, a `CompressedModel`.
        project: Its supernet gets the distilled weights.
        subnet: Its widths; None takes those that fine-tuning has begun with, or the best of the
            search.
        draw: Writes sample pictures.
        emit: Receives events.

    Returns:
        A net of plain layers, in eval mode, batch-norm statistics calibrated.

    Raises:
        RunError: If there is no distilled supernet, no search to take the best of, or the stage
            has begun with another subnet.
        SubnetError: If the widths are not in the space.
        TrainingError: If the training has diverged twice.
    """
    team = Team.join()
    with team.first():
        chosen = _begin_finetune(run, project, subnet, emit)
    if chosen is None:
        return compressed_net(run)
    watch = Stopwatch(run, "finetune")
    result = _train(run, project, "finetune", chosen, draw=draw, emit=emit)
    if team.leads:
        watch.finish(_keep_model(run, project, chosen, result))
    team.wait()
    return compressed_net(run)


def _begin_finetune(
    run: RunDirectory, project: Project, subnet: SubnetConfig | None, emit: Emit
) -> SubnetConfig | None:
    """Return the widths that are to be trained; None where the stage is done."""
    if subnet is None:
        subnet = begun_subnet(run)
    if is_done(run, "finetune") and subnet is not None:
        _settle_subnet(run, subnet)
    if skip(run, "finetune", emit):
        return None
    require(run, "finetune", "distill", *(["search"] if subnet is None else []))
    chosen = load_trials(run.path("trials.json")).best.config if subnet is None else subnet
    project.supernet.activate(chosen)  # widths that do not fit are refused here
    _settle_subnet(run, chosen)
    load_distilled(run, project)
    return chosen


def _keep_model(
    run: RunDirectory, project: Project, chosen: SubnetConfig, result: FitResult
) -> dict[str, Any]:
    """Write ``model/``, and return the summary of the stage."""
    card = {"family": project.config.family, "recipe": project.config.recipe or ""}
    model = CompressedModel.from_supernet(project.supernet, chosen, card=card)
    calibrate_batch_norm(
        model.module, [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]
    )
    model.save(run.path("model"))
    return {
        "steps": result.steps,
        "metrics": dict(result.metrics),
        "widths": dict(chosen.widths),
        "costs": {"teacher": asdict(teacher_cost(project)), "compressed": asdict(model.cost)},
    }


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


def load_distilled(run: RunDirectory, project: Project) -> None:
    """Put what distillation ended with into the project, in the mode of one that was just made.

    A supernet that this process has trained is in train mode, and its batch norms would count
    the batch on which fine-tuning matches its adapters.

    Args:
        run: A run directory in which ``distill`` is done.
        project: Its supernet and discriminators change in place.

    Raises:
        CheckpointError: If a file is missing or damaged.
    """
    project.supernet.eval()
    first = project.batches("train", size=1, most=1)[0]
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
    if Team.join().leads:
        write_json(place, json.loads(subnet.to_json()))


def _train(
    run: RunDirectory,
    project: Project,
    stage: str,
    subnet: SubnetConfig | None,
    *,
    draw: Draw | None,
    emit: Emit,
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
        out=run.root,
        seed=config.seed,
        stage=stage,
        device=project.device,
        draw=draw,
        emit=emit,
    )
