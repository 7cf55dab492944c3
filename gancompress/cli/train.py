"""``gancompress train``."""

from pathlib import Path

import typer

from gancompress.cli import options as shared
from gancompress.cli.context import Globals
from gancompress.cli.given import Given


def train(
    context: typer.Context,
    family: shared.FamilyName = None,
    family_flag: shared.FamilyFlag = None,
    recipe: shared.RecipeName = None,
    config: shared.ConfigFile = None,
    option: shared.FamilyOptions = None,
    generator: shared.Generator = None,
    shape: shared.Inputs = None,
    data: shared.Data = None,
    steps: shared.Steps = None,
    seed: shared.Seed = None,
    out: shared.Out = Path("runs/teacher"),
) -> None:
    """Train a teacher from scratch; the same command again goes on where it was.

    Example: gancompress train pix2pix --recipe openmoji --out runs/teacher
    """
    options: Globals = context.obj
    from gancompress.compress import begin_teacher
    from gancompress.report import save_grid
    from gancompress.store import RunDirectory

    host = options.host()
    given = Given(
        (family, family_flag),
        recipe,
        config,
        option or (),
        seed,
        generator,
        shape or (),
        data,
        {"train": {"steps": steps}},
    )
    chosen, merged = given.settle(host)
    run = RunDirectory(out)
    with options.observer(host, run) as emit:
        teacher = begin_teacher(
            run,
            chosen,
            merged,
            resolve=host.resolve_generator,
            device=options.device,
            draw=save_grid,
            emit=emit,
        )
    options.show(
        {
            "generator": str(teacher.generator),
            "discriminators": str(teacher.discriminators),
            **run.summary("train"),
        },
        f"teacher: {teacher.generator}\ndiscriminators: {teacher.discriminators}",
    )
