"""``gancompress bench``."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gancompress.cli.context import Globals
from gancompress.cli.given import listed
from gancompress.cli.stage import go_on
from gancompress.errors import ConfigError

if TYPE_CHECKING:
    from gancompress.bench import Runtime, Settings
    from gancompress.export import ExportTarget


def bench(
    context: typer.Context,
    run: Annotated[
        Path, typer.Argument(metavar="A", help="A run directory, a model.json or an exported file.")
    ],
    against: Annotated[
        Path | None, typer.Option(metavar="B", help="The one before; by default A's own teacher.")
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--all", help="Every runtime and precision that this machine has.")
    ] = False,
    on: Annotated[
        list[str] | None,
        typer.Option(metavar="LIST", help="Runtimes, such as eager,compiled,openvino:int8."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads, each on a processor of its own.")
    ] = None,
    batch: Annotated[
        list[str] | None,
        typer.Option(metavar="LIST", help="Images a call, such as 1,4,16; the first is timed."),
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed calls of each at each batch size.")] = 50,
    plot: Annotated[Path | None, typer.Option(help="Where to draw: an .svg or a .png.")] = None,
) -> None:
    """Time a generator against another, in turns, in a process of each runtime.

    Example: gancompress bench runs/small

    Example: gancompress bench runs/small --all --batch 1,4 --plot speed.svg

    Example: gancompress bench small.onnx --against runs/large/export/compressed.onnx
    """
    options: Globals = context.obj
    from gancompress.compress.benching import is_run
    from gancompress.report import (
        bench_lines,
        bench_tables,
        bench_width,
        check_bench_plot,
        plain_text,
        save_bench_plot,
    )

    settings = _settings(threads, batch, runs)
    if plot is not None:
        check_bench_plot(plot)
    targets = tuple(options.host().export_targets().values())
    runtimes, missing = _runtimes(everywhere, on, targets)
    of_run = against is None and is_run(run)
    if of_run:
        report = _with_teacher(context, run, runtimes, settings, targets, missing)
    else:
        report = _with_other(
            options, run, against, runtimes, settings, targets, missing, everywhere=everywhere
        )
    text = plain_text(bench_tables(report), width=bench_width(shutil.get_terminal_size().columns))
    lines = [text.rstrip(), *bench_lines(report)]
    if plot is not None:
        save_bench_plot(plot, report)
        lines.append(f"plot: {plot}")
    if of_run:
        from gancompress.store import RunDirectory

        options.show_figures(RunDirectory(run), report, "", *lines)
    else:
        options.show(report, "\n".join(lines))


def _settings(threads: int | None, batch: list[str] | None, runs: int) -> "Settings":
    from gancompress.bench import Settings

    texts = listed("--batch", batch) or ["1"]
    try:
        sizes = tuple(dict.fromkeys(map(int, texts)))
    except ValueError:
        raise ConfigError(
            f"'{','.join(texts)}' of --batch is no list of whole numbers",
            hint="for example --batch 1,4,16",
        ) from None
    given: dict[str, Any] = {} if threads is None else {"threads": threads}
    return Settings(batches=sizes, runs=runs, **given)


def _runtimes(
    everywhere: bool, on: list[str] | None, targets: "tuple[ExportTarget, ...]"
) -> "tuple[list[Runtime] | None, list[str]]":
    from gancompress.bench import named_runtimes, runtimes_here

    if everywhere and on:
        raise ConfigError("'--all' has every runtime of --on", hint="leave one of them out")
    if everywhere:
        return runtimes_here(targets)
    return (named_runtimes(listed("--on", on), targets) if on else None), []


def _with_teacher(
    context: typer.Context,
    run: Path,
    runtimes: "list[Runtime] | None",
    settings: "Settings",
    targets: "tuple[ExportTarget, ...]",
    missing: list[str],
) -> dict[str, Any]:
    from gancompress.compress import compare_with_teacher, read_summary

    made = go_on(
        context,
        run,
        "bench",
        ("finetune",),
        lambda run, project, emit: compare_with_teacher(
            run, project, runtimes, settings, targets=targets, missing=missing, emit=emit
        ),
        again=True,
    )
    return read_summary(made, "bench")


def _with_other(
    options: Globals,
    path: Path,
    against: Path | None,
    runtimes: "list[Runtime] | None",
    settings: "Settings",
    targets: "tuple[ExportTarget, ...]",
    missing: list[str],
    *,
    everywhere: bool,
) -> dict[str, Any]:
    """Compare what needs no teacher, and keep the result where A is a run."""
    from gancompress.bench import check_runtimes, compare
    from gancompress.compress.benching import is_run, keep_comparison, open_pair, open_subject
    from gancompress.report import ProgressObserver
    from gancompress.store import RunDirectory

    if against is None:
        subjects = [open_subject(path, targets=targets, trust=options.trust)]
    else:
        subjects = [*open_pair(path, against, targets=targets, trust=options.trust)]

    if runtimes is not None and not everywhere:
        check_runtimes(subjects, runtimes)

    def measure(emit: Any) -> dict[str, Any]:
        return compare(subjects, runtimes, settings, targets=targets, missing=missing, emit=emit)

    if not is_run(path):
        with ProgressObserver(quiet=options.quiet) as progress:
            return measure(progress)
    run = RunDirectory(path)
    with run.open(run.config), options.observer(options.host(), run) as emit:
        report = measure(emit)
        keep_comparison(run, report)
    return report
