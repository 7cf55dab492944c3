"""``gancompress train``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gancompress.cli.context import Globals


def train(
    context: typer.Context,
    family: Annotated[str, typer.Argument(help="Name of the GAN family, such as pix2pix.")],
    recipe: Annotated[str | None, typer.Option(help="A recipe of the family.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("-o", "--option", help="A family option, key=value.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    out: Annotated[Path, typer.Option(help="The run directory.")] = Path("runs/teacher"),
) -> None:
    """Train a teacher from scratch; the same command again goes on where it was.

    Example: gancompress train pix2pix --recipe openmoji --out runs/teacher
    """
    options: Globals = context.obj
    from gancompress.compress import configure, train_teacher
    from gancompress.store import RunDirectory

    host = options.host()
    chosen = host.family(family)
    overrides: dict[str, Any] = {"seed": seed}
    if steps is not None:
        overrides["train"] = {"steps": steps}
    merged = configure(
        chosen, recipe=recipe, config=config, options=option or (), overrides=overrides
    )
    run = RunDirectory(out)
    # Only what makes a teacher: another distillation setting must not refuse its run directory.
    identity = merged.model_dump(mode="json", include={"family", "options", "train", "seed"})
    with run.open(identity), options.observer(host, run) as emit:
        teacher = train_teacher(run, chosen, merged, emit=emit)
    options.show(
        {
            "generator": str(teacher.generator),
            "discriminators": str(teacher.discriminators),
            **run.summary("train"),
        },
        f"teacher: {teacher.generator}\ndiscriminators: {teacher.discriminators}",
    )
