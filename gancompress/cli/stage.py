"""The verbs that go on with a run directory: finetune, export, evaluate."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gancompress.cli import options as shared
from gancompress.cli.completion import complete_metric, complete_precision, complete_target
from gancompress.cli.context import Globals
from gancompress.cli.given import chosen, metric_options
from gancompress.cli.processes import follows

if TYPE_CHECKING:
    from gancompress.compress import Project
    from gancompress.elastic import SubnetConfig
    from gancompress.events import Emit
    from gancompress.store import RunDirectory

    Work = Callable[[RunDirectory, Project, Emit], object]


def finetune(
    context: typer.Context,
    run: shared.Run,
    subnet: Annotated[
        str, typer.Option(help="'best' of the search, or widths as JSON or a file of it.")
    ] = "best",
    steps: shared.Steps = None,
) -> None:
    """Train the chosen subnet alone, and take it out of the supernet.

    Example: gancompress finetune runs/small --steps 1000
    """
    from gancompress.compress import begun_subnet, finetune_subnet, read_summary
    from gancompress.report import save_grid
    from gancompress.store import RunDirectory

    widths = _subnet(subnet)
    chosen_by_search = widths is None and begun_subnet(RunDirectory(run)) is None
    made = go_on(
        context,
        run,
        "finetune",
        ("distill", "search") if chosen_by_search else ("distill",),
        lambda run, project, emit: finetune_subnet(run, project, widths, draw=save_grid, emit=emit),
        chosen(finetune={"steps": steps}),
        again=widths is not None,  # whether they are the same is looked at there
    )
    context.obj.show(read_summary(made, "finetune"), f"model: {made.path('model')}")


def export(
    context: typer.Context,
    run: shared.Run,
    target: Annotated[
        str | None,
        typer.Option(
            help="onnx, openvino, torch, program, aoti, executorch, tensorrt, or a plugin's.",
            autocompletion=complete_target,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, bf16, fp16 or int8, as far as the format has it.",
            autocompletion=complete_precision,
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--on", help="Where the file will run, such as cpu or cuda.")
    ] = None,
    min_psnr: Annotated[
        float | None, typer.Option(help="Smallest PSNR to the PyTorch net, in dB; not for fp32.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference from the PyTorch net.")
    ] = None,
) -> None:
    """Write the generator as a file that runs without this package, re-run and compared.

    Example: gancompress export runs/small --target openvino --precision int8
    """
    from gancompress.compress import export_models, read_summary

    made = go_on(
        context,
        run,
        "export",
        ("finetune",),
        lambda run, project, emit: export_models(run, project, emit=emit),
        chosen(
            export={
                "target": target,
                "precision": precision,
                "device": device,
                "min_psnr": min_psnr,
                "tolerance": tolerance,
            }
        ),
    )
    summary = read_summary(made, "export")
    lines = [
        f"{name}: {made.path(file['path'])}, {file['bytes']:,} bytes, "
        f"differs by at most {file['max_abs_error']:.2g}"
        for name, file in summary["files"].items()
    ]
    context.obj.show(summary, "\n".join(lines))


def evaluate(
    context: typer.Context,
    run: shared.Run,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A further metric by name, the core's or a plugin's.",
            autocompletion=complete_metric,
        ),
    ] = None,
    metric_option: shared.MetricOptions = None,
) -> None:
    """Score the generator on held-out pictures, beside its teacher.

    Example: gancompress evaluate runs/small --metric psnr
    """
    from gancompress.compress import evaluate_models, read_summary
    from gancompress.report import save_grid

    made = go_on(
        context,
        run,
        "evaluate",
        ("finetune",),
        lambda run, project, emit: evaluate_models(run, project, draw=save_grid, emit=emit),
        chosen(evaluate={"metrics": metric or None}, **_metrics(metric_option)),
    )
    context.obj.show_figures(made, read_summary(made, "evaluate"))


def go_on(
    context: typer.Context,
    root: Path,
    stage: str,
    needed: tuple[str, ...],
    work: "Work",
    changes: Mapping[str, Any] | None = None,
    *,
    again: bool = False,
    growing: bool = False,
) -> "RunDirectory":
    """Do one stage in a run that is there, and write the summary anew.

    The data are not even opened for a stage that is done, unless it is asked for again.

    Args:
        context: Holds the global options.
        root: The run directory.
        stage: The stage.
        needed: Stages that must be done.
        work: Does it.
        changes: Nested settings that differ from those of the run.
        again: Whether a stage that is done is done once more.
        growing: Whether a search that has begun may be given more trials.

    Returns:
        The run directory.
    """
    options: Globals = context.obj
    from gancompress.compress import Job, write_summary
    from gancompress.compress.stage import skip

    host = options.host()
    job = Job.resume(
        root,
        host,
        stage=stage,
        needed=needed,
        changes=changes,
        trust=options.trust,
        device=options.device,
        growing=growing,
    )
    run = job.run
    with (
        options.observer(host, run) as emit,
        job.open((stage,), emit, again=again) as project,
    ):
        if project is None:
            skip(run, stage, emit)
        else:
            work(run, project, emit)
            if not follows():
                write_summary(run)
    return run


def _metrics(texts: list[str] | None) -> dict[str, dict[str, Any]]:
    return {"metrics": dict(metric_options(texts))}


def _subnet(text: str) -> "SubnetConfig | None":
    """Read ``--subnet``: the best of the search, JSON, or a file of it."""
    from gancompress.elastic import SubnetConfig
    from gancompress.store import read_json

    if text == "best":
        return None
    if text.lstrip().startswith("{"):
        return SubnetConfig.from_json(text)
    return SubnetConfig.from_json(json.dumps(read_json(Path(text))))
