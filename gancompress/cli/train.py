"""``gancompress train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gancompress.cli import options as shared
from gancompress.cli.context import Globals
from gancompress.cli.given import Given

if TYPE_CHECKING:
    from gancompress.config import RunConfig


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
    from gancompress.compress import build_generator, train_teacher
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
    own = None
    if merged.generator is not None:
        own = build_generator(chosen, merged, host.resolve_generator)
    run = RunDirectory(out)
    with run.open(_identity(merged)), options.observer(host, run) as emit:
        teacher = train_teacher(run, chosen, merged, generator=own, emit=emit)
    options.show(
        {
            "generator": str(teacher.generator),
            "discriminators": str(teacher.discriminators),
            **run.summary("train"),
        },
        f"teacher: {teacher.generator}\ndiscriminators: {teacher.discriminators}",
    )


def _identity(config: "RunConfig") -> dict[str, Any]:
    # Only what makes a teacher: another distillation setting must not refuse its run directory.
    keys = {"family", "options", "train", "seed"}
    own = {"generator", "inputs"} if config.generator is not None else set()
    return config.model_dump(mode="json", include=keys | own)
