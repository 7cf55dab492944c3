"""``gancompress data stats``."""

from typing import Annotated, Any

import typer

from gancompress.cli import options as shared
from gancompress.cli.context import Globals
from gancompress.cli.given import Given, metric_options


def stats(
    context: typer.Context,
    family: shared.FamilyName = None,
    family_flag: shared.FamilyFlag = None,
    recipe: shared.RecipeName = None,
    config: shared.ConfigFile = None,
    option: shared.FamilyOptions = None,
    data: shared.Data = None,
    seed: shared.Seed = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    pictures: Annotated[
        int | None, typer.Option(min=2, help="Pictures at most, from the first on.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric that keeps statistics, such as fid.")
    ] = None,
    metric_option: shared.MetricOptions = None,
) -> None:
    """Look at the real pictures once for all later evaluations, and keep what was found.

    Example: gancompress data stats pix2pix --recipe openmoji --metric fid
    """
    options: Globals = context.obj
    from gancompress.compress import keep_statistics
    from gancompress.compress.metrics import configure_metrics
    from gancompress.compress.prepare import SPLITS
    from gancompress.errors import ConfigError
    from gancompress.report import ProgressObserver

    if split not in SPLITS:
        raise ConfigError(f"there is no split '{split}'", hint=f"splits: {', '.join(SPLITS)}")
    host = options.host()
    settings: dict[str, Any] = {"metrics": metric_options(metric_option)}
    given = Given(
        (family, family_flag), recipe, config, option or (), seed, data=data, settings=settings
    )
    chosen, merged = given.settle(host)
    metrics = configure_metrics(host.metrics(), merged.metrics, trust=options.trust)
    with ProgressObserver(quiet=options.quiet) as progress:
        rows = keep_statistics(
            chosen, merged, metrics, metric or (), split=split, most=pictures, emit=progress
        )
    options.show({"statistics": rows}, "\n".join(line for row in rows for line in _lines(row)))


def _lines(row: dict[str, Any]) -> list[str]:
    state = "known already" if row["known"] else "taken now"
    if row["file"] is None:
        state = "not kept"
    floor = row["real_against_real"]
    shown = "" if floor is None else f", real against real {floor:.4g}"
    first = (
        f"{row['metric']}: {row['pictures']} pictures of '{row['split']}', {state}{shown}\n"
        f"  pictures: sha256 {row['sha256']}"
    )
    kept = [] if row["file"] is None else [f"  file: {row['file']}"]
    return [first, *kept, *(f"  note: {note}" for note in row["notes"])]
