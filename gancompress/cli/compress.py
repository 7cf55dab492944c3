"""``gancompress compress``."""

from pathlib import Path
from typing import Annotated

import typer

from gancompress.cli.context import Globals


def compress(
    context: typer.Context,
    family: Annotated[str, typer.Argument(help="Name of the GAN family, such as pix2pix.")],
    teacher: Annotated[Path, typer.Option(help="Folder of the trained teacher.")],
    recipe: Annotated[str | None, typer.Option(help="A recipe of the family.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("-o", "--option", help="A family option, key=value.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    out: Annotated[Path, typer.Option(help="The run directory.")] = Path("runs/compress"),
) -> None:
    """Make a trained generator small; the same command again goes on where it was.

    Example: gancompress compress pix2pix --recipe openmoji --teacher runs/teacher/teacher
    """
    options: Globals = context.obj
    from gancompress.compress import compress as run_all
    from gancompress.compress import configure, outcome_figures
    from gancompress.report import ModelFigures, plain_text, save_grid, summary_table
    from gancompress.store import RunDirectory, write_json

    host = options.host()
    chosen = host.family(family)
    merged = configure(
        chosen, recipe=recipe, config=config, options=option or (), overrides={"seed": seed}
    )
    run = RunDirectory(out)
    with run.open(merged.model_dump(mode="json")), options.observer(host, run) as emit:
        outcome = run_all(run, chosen, merged, teacher, rules=host.op_rules(), emit=emit)
        figures = outcome_figures(outcome)
        write_json(run.path("summary.json"), figures)
        save_grid(run.path("samples.png"), outcome.pictures)
    table = summary_table(ModelFigures(**figures["teacher"]), ModelFigures(**figures["compressed"]))
    options.show(
        figures,
        f"{plain_text(table)}\nexported: {outcome.exported.path}\n"
        f"pictures: {run.path('samples.png')}",
    )
