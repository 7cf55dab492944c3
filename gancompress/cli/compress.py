"""``gancompress compress``."""

from pathlib import Path

import typer

from gancompress.cli import options as shared
from gancompress.cli.context import Globals
from gancompress.cli.given import Given, chosen_layers, crew, ignoring, limits


def compress(
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
    steps: shared.ScaledSteps = None,
    trials: shared.Trials = None,
    macs: shared.Macs = None,
    params: shared.Params = None,
    macs_published: shared.PublishedMacs = None,
    memory: shared.Memory = None,
    latency_ms: shared.LatencyMs = None,
    on: shared.On = None,
    shrink: shared.Shrink = None,
    seed: shared.Seed = None,
    workers: shared.WorkerCount = None,
    ray: shared.Cluster = None,
    out: shared.Out = Path("runs/compress"),
) -> None:
    """Make a trained generator small; the same command again goes on where it was.

    Example: gancompress compress pix2pix --recipe openmoji --teacher runs/teacher
    """
    options: Globals = context.obj
    from gancompress.compress import Job, scale_steps

    employed = crew(workers, ray)
    budget = limits(
        macs=macs,
        shrink=shrink,
        params=params,
        macs_published=macs_published,
        memory=memory,
        latency_ms=latency_ms,
        on=on,
    )
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
            "search": {"trials": trials, **budget},
            "decompose": {"layers": chosen_layers(decompose)},
            "space": {"ignored": ignoring(ignore, ignore_pattern, ignore_type)},
        },
    )
    chosen, merged = given.settle(host)
    if steps is not None:
        merged = scale_steps(merged, steps)
    job = Job.begin(
        out, chosen, merged, host, teacher=teacher, trust=options.trust, device=options.device
    )
    options.compress(host, job, employed)
