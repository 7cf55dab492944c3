"""The stages after the teacher: each finds what an earlier run has finished, and goes on."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from gancompress.compress.prepare import Project
from gancompress.cost import Budget, Cost, measure_cost
from gancompress.distill import distill
from gancompress.elastic import SubnetConfig, calibrate_batch_norm
from gancompress.events import Emit, StageFinished, discard
from gancompress.metrics import Evaluation, Lite0Features, ReferenceStatistics, evaluate
from gancompress.search import SearchResult, search
from gancompress.store import RunDirectory, load_tensors, save_tensors

CALIBRATION_PICTURES = 128


def distill_supernet(run: RunDirectory, project: Project, *, emit: Emit = discard) -> None:
    """Train the once-for-all supernet in place.

    Args:
        run: An open run directory; ``supernet.safetensors`` is written.
        project: What is trained.
        emit: Receives events.
    """
    _train(run, project, "distill", None, emit)


def search_subnet(run: RunDirectory, project: Project, *, emit: Emit = discard) -> SearchResult:
    """Score subnets on validation pictures, without retraining, within the budget.

    The score is the Fréchet distance to the targets on EfficientNet-Lite0 features.

    Args:
        run: An open run directory; ``search.sqlite3`` and ``trials.json`` are written.
        project: The trained supernet.
        emit: Receives events.

    Returns:
        Every trial; the best one's widths are in the stage's summary.

    Raises:
        BudgetError: If no subnet meets the budget.
    """
    settings = project.config.search
    inputs = project.teacher.example_inputs
    budget = Budget(settings.macs, settings.params).resolve(
        measure_cost(project.teacher.module, inputs)
    )
    features = Lite0Features()
    batches = project.batches("val", most=settings.pictures)
    reference = ReferenceStatistics.gather(
        batches, teacher=None, features=features, baseline=project.baseline
    )
    calibration = [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]

    def score(net: nn.Module) -> float:
        calibrate_batch_norm(net, calibration)
        return evaluate(
            net,
            batches,
            teacher=None,
            features=features,
            baseline=project.baseline,
            reference=reference,
        ).frechet

    found = search(
        project.supernet,
        budget=budget,
        score=score,
        cost=lambda net: measure_cost(net, inputs),
        trials=settings.trials,
        sampler=settings.sampler,
        seed=project.config.seed,
        storage=run.path("search.sqlite3"),
        emit=emit,
    )
    run.finish_stage("search", {"best": _trial(found.best), "trials": len(found.trials)})
    return found


def _trial(trial: Any) -> dict[str, Any]:
    return {
        "number": trial.number,
        "widths": dict(trial.config.widths),
        "cost": asdict(trial.cost),
        "score": trial.score,
    }


def finetune_subnet(
    run: RunDirectory, project: Project, subnet: SubnetConfig, *, emit: Emit = discard
) -> fx.GraphModule:
    """Train one subnet alone and take it out of the supernet.

    Args:
        run: An open run directory; ``finetune.safetensors`` is written.
        project: The trained supernet.
        subnet: Its widths.
        emit: Receives events.

    Returns:
        A net of plain layers, in eval mode, batch-norm statistics calibrated.
    """
    _train(run, project, "finetune", subnet, emit)
    net = project.supernet.materialise(subnet).eval()
    calibration = [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]
    calibrate_batch_norm(net, calibration)
    return net


def evaluate_pair(project: Project, compressed: nn.Module) -> tuple[Evaluation, Cost, Cost]:
    """Measure teacher and compressed generator on held-out pictures.

    Args:
        project: Gives teacher and data.
        compressed: The compressed generator.

    Returns:
        The evaluation, which holds the teacher's scores too, and the costs of both.
    """
    inputs = project.teacher.example_inputs
    evaluation = evaluate(
        compressed,
        project.batches("test"),
        teacher=project.teacher.module,
        features=Lite0Features(),
        baseline=project.baseline,
    )
    return (
        evaluation,
        measure_cost(project.teacher.module, inputs),
        measure_cost(compressed, inputs),
    )


def _train(
    run: RunDirectory, project: Project, stage: str, subnet: SubnetConfig | None, emit: Emit
) -> None:
    """Distil, or load what an earlier run of the same stage ended with."""

    def weights(name: str) -> Path:
        return run.path(f"{name}.safetensors")

    if run.stage_done(stage):
        project.supernet.load_state_dict(load_tensors(weights(stage)))
        project.objective.discriminators.load_state_dict(
            load_tensors(weights(f"{stage}-discriminators"))
        )
        emit(StageFinished(stage, 0.0, skipped=True))
        return
    config = project.config.distill if stage == "distill" else project.config.finetune
    torch.manual_seed(project.config.seed)  # the adapters' first weights
    result = distill(
        project.supernet,
        teacher=project.teacher,
        data=project.family.dataset(project.options, "train"),
        objective=project.objective,
        config=config,
        subnet=subnet,
        folder=run.path(f"checkpoints/{stage}"),
        seed=project.config.seed,
        stage=stage,
        emit=emit,
    )
    for name, module in (
        (stage, project.supernet),
        (f"{stage}-discriminators", project.objective.discriminators),
    ):
        state = {k: v.detach().contiguous() for k, v in module.state_dict().items()}
        save_tensors(weights(name), state, {})
    run.finish_stage(stage, {"steps": result.steps, "metrics": dict(result.metrics)})
