"""``gancompress demo``."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gancompress.cli import options as shared
from gancompress.cli.context import Globals
from gancompress.cli.given import Given
from gancompress.errors import ConfigError

if TYPE_CHECKING:
    from gancompress.config import RunConfig
    from gancompress.plugins import PluginHost


def demo(
    context: typer.Context,
    family: shared.FamilyFlag = None,
    steps: shared.ScaledSteps = None,
    trials: shared.Trials = None,
    seed: shared.Seed = None,
    out: shared.Out = Path("runs/demo"),
) -> None:
    """Compress a teacher that comes with a plugin, on real data: the whole job.

    Example: gancompress demo
    """
    options: Globals = context.obj
    from gancompress.compress import Job, scale_steps

    host = options.host()
    name, recipe = _find(host, family)
    given = Given((name,), recipe, seed=seed, settings={"search": {"trials": trials}})
    chosen, merged = given.settle(host)
    _check_teacher(merged)
    if steps is not None:
        merged = scale_steps(merged, steps)
    job = Job.begin(out, chosen, merged, host, trust=options.trust, device=options.device)
    options.compress(host, job)


def _find(host: "PluginHost", family: str | None) -> tuple[str, str]:
    """Return the family and its recipe: the one that is flagged, or that comes with a teacher."""
    families = [host.family(family)] if family is not None else list(host.families().values())
    recipes = [
        (one.name, name, recipe) for one in families for name, recipe in one.recipes().items()
    ]
    for owner, name, recipe in recipes:
        if recipe.demo:
            return owner, name
    for owner, name, recipe in recipes:
        if family is not None and recipe.teacher is not None:
            return owner, name
    asked = f"family '{family}'" if family is not None else "no installed family"
    verb = "has no" if family is not None else "has a"
    way = " or comes with a teacher" if family is not None else ""
    raise ConfigError(
        f"{asked} {verb} recipe that is flagged 'demo = true'{way}",
        hint="see what is installed with `gancompress plugins`",
    )


def _check_teacher(config: "RunConfig") -> None:
    if config.teacher is None or not config.teacher.exists():
        place = f" at '{config.teacher}'" if config.teacher is not None else ""
        raise ConfigError(
            f"recipe '{config.recipe}' of family '{config.family}' has no teacher{place}",
            hint=f"train one with `gancompress train {config.family} --recipe {config.recipe}`, "
            f"then call `gancompress compress` with --teacher runs/teacher",
        )
