"""Every stage after the teacher in one call, resumable at any point."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancompress.compress.prepare import Project, prepare
from gancompress.compress.stages import (
    distill_supernet,
    evaluate_pair,
    finetune_subnet,
    search_subnet,
)
from gancompress.config import RunConfig
from gancompress.cost import Cost, Latency, measure_latency_in_turns
from gancompress.events import Emit, StageFinished, StageStarted, discard
from gancompress.export import CompressedModel, ExportReport, export
from gancompress.gan import AnyFamily
from gancompress.graph import OpRule
from gancompress.metrics import Evaluation
from gancompress.store import RunDirectory

SHOWN = 8


@dataclass(frozen=True)
class Outcome:
    """What the whole job gives.

    Args:
        evaluation: Scores on held-out pictures.
        teacher: The teacher's cost.
        compressed: The compressed generator's cost.
        latency: Of ``teacher`` and ``compressed`` in PyTorch eager, measured in turns.
        bytes: Sizes of both exported files.
        exported: The compressed generator's export.
        pictures: Held-out samples by column: input, target, teacher, compressed.
    """

    evaluation: Evaluation
    teacher: Cost
    compressed: Cost
    latency: dict[str, Latency]
    bytes: dict[str, int]
    exported: ExportReport
    pictures: dict[str, Tensor]


def compress(
    run: RunDirectory,
    family: AnyFamily,
    config: RunConfig,
    teacher: Path,
    *,
    rules: Sequence[OpRule] = (),
    emit: Emit = discard,
) -> Outcome:
    """Make a trained generator small: decompose, distil, search, fine-tune, export, evaluate.

    Args:
        run: An open run directory; finished stages are not repeated.
        family: The GAN family.
        config: The configuration.
        teacher: Folder with the teacher's ``generator.safetensors`` and
            ``discriminators.safetensors``.
        rules: Operator rules of plugins.
        emit: Receives events.

    Returns:
        The figures and sample pictures; ``model/`` and ``export/`` in the run directory hold the
        compressed generator.

    Raises:
        CheckpointError: If the teacher cannot be loaded.
        BudgetError: If no subnet meets the budget.
        ExportError: If the exported file computes something else.
    """
    project = prepare(family, config, teacher, rules)
    distill_supernet(run, project, emit=emit)
    best = search_subnet(run, project, emit=emit).best
    net = finetune_subnet(run, project, best.config, emit=emit)
    emit(StageStarted("export"))
    card: dict[str, Any] = {"family": config.family, "recipe": config.recipe or ""}
    model = CompressedModel(net, best.config, best.cost, card)
    model.save(run.path("model"))
    samples = project.batches("test", size=SHOWN, most=SHOWN)[0]
    settings = config.export
    reports = {
        name: export(
            module,
            run.path(f"export/{name}.{settings.target}"),
            settings.target,
            tolerance=settings.tolerance,
            inputs=samples.inputs,
        )
        for name, module in (("teacher", project.teacher.module), ("compressed", net))
    }
    emit(StageFinished("export", 0.0))
    evaluation, teacher_cost, compressed_cost = evaluate_pair(project, net)
    return Outcome(
        evaluation,
        teacher_cost,
        compressed_cost,
        _latency(project, net),
        {name: report.path.stat().st_size for name, report in reports.items()},
        reports["compressed"],
        _pictures(project, net, samples),
    )


@torch.no_grad()
def _pictures(project: Project, net: Any, samples: Any) -> dict[str, Tensor]:
    pictures = {
        "input": samples.inputs[0],
        "target": samples.target,
        "teacher": project.teacher.module.eval()(*samples.inputs),
        "compressed": net(*samples.inputs),
    }
    return {name: value for name, value in pictures.items() if value is not None}


@torch.no_grad()
def _latency(project: Project, net: Any) -> dict[str, Latency]:
    inputs = project.teacher.example_inputs
    module = project.teacher.module.eval()
    return measure_latency_in_turns(
        {"teacher": lambda: module(*inputs), "compressed": lambda: net(*inputs)}
    )


def outcome_figures(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the summary as JSON values: ``{"teacher": {…}, "compressed": {…}}``.

    Args:
        outcome: What `compress` gave.
    """
    evaluation = outcome.evaluation
    scores = {"teacher": evaluation.teacher, "compressed": evaluation}
    costs = {"teacher": outcome.teacher, "compressed": outcome.compressed}
    likeness = evaluation.psnr_to_teacher
    return {
        name: {
            **{k: asdict(costs[name])[k] for k in ("params", "macs", "macs_published")},
            "file_bytes": outcome.bytes[name],
            **{k: getattr(scores[name], k, None) for k in ("frechet", "kid", "l1_to_target")},
            "psnr_to_teacher": likeness if name == "compressed" else None,
            "latency_ms": outcome.latency[name].p50,
            "recovery": evaluation.recovery if name == "compressed" else 1.0,
        }
        for name in costs
    }
