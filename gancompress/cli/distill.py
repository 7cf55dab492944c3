"""``gancompress distill``."""

from pathlib import Path

import typer

from gancompress.cli import options as shared
from gancompress.cli.context import Globals
from gancompress.cli.given import Given, chosen_layers, ignoring


def distill(
    context: typer.Context,
    family: shared.FamilyName = None,
    family_flag: shared.FamilyFlag = None,
    teacher: shared.TeacherPath = None,
    recipe: shared.RecipeName = None,
    config: shared.ConfigFile = None,
    option: shared.FamilyOptions = None,
    generator: shared.Generator = None,
    shape: shared.Inputs = None,
    data: shared.Data = None,
    decompose: shared.Decompose = None,
    ignore: shared.Ignored = None,
    ignore_pattern: shared.IgnoredPatterns = None,
    ignore_type: shared.IgnoredTypes = None,
    steps: shared.Steps = None,
    seed: shared.Seed = None,
    out: shared.Out = Path("runs/compress"),
) -> None:
    """Make a supernet of a teacher, and train all its subnets at once.

    Example: gancompress distill pix2pix --recipe openmoji --teacher runs/teacher
    """
    options: Globals = context.obj
    from gancompress.compress import Job, distill_supernet
    from gancompress.compress.stage import skip
    from gancompress.report import save_grid

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
        {
            "distill": {"steps": steps},
            "decompose": {"layers": chosen_layers(decompose)},
            "space": {"ignored": ignoring(ignore, ignore_pattern, ignore_type)},
        },
    )
    chosen, merged = given.settle(host)
    job = Job.begin(
        out, chosen, merged, host, teacher=teacher, trust=options.trust, device=options.device
    )
    run, later = job.run, ("search", "export", "evaluate")
    with (
        options.observer(host, run) as emit,
        job.open(("distill",), emit, later=later) as project,
    ):
        if project is None:
            skip(run, "distill", emit)
        else:
            distill_supernet(run, project, draw=save_grid, emit=emit)
    options.show(run.summary("distill"), f"supernet: {run.path('distill.safetensors')}")
