"""``gancompress report``."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from gancompress.cli.context import Globals
from gancompress.errors import ConfigError


def report(
    context: typer.Context,
    run: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Run directories.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file; report.html in the run, comparison.html for several."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Held-out pictures at most; 0 for none.")] = 16,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write one HTML file about a run, or compare several: it opens offline, at any point of a run.

    Example: gancompress report runs/small

    Example: gancompress report runs/small runs/other --out both.html
    """
    options: Globals = context.obj
    from gancompress.report import write_report

    runs = run or []
    if out is not None and out.is_dir():
        raise ConfigError(f"'{out}' is a folder", hint=f"name a file: --out {out / 'report.html'}")
    place = write_report(runs, out, most=samples)
    opened = webbrowser.open(place.resolve().as_uri()) if open_it else None
    lines = [f"report: {place}"]
    if opened is False:
        lines.append("no browser was found: open the file yourself")
    value = {"report": str(place), "bytes": place.stat().st_size, "runs": [str(x) for x in runs]}
    options.show(value, "\n".join(lines))
