"""``gancompress sensitivity``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gancompress.cli import options as shared
from gancompress.cli.completion import complete_family, complete_metric
from gancompress.cli.context import Globals
from gancompress.cli.given import Given, ignoring, listed, metric_options
from gancompress.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from gancompress.compress import Question


def sensitivity(
    context: typer.Context,
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run directory, for its teacher.")
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(help="A GAN family, where there is no run.", autocompletion=complete_family),
    ] = None,
    teacher: shared.TeacherPath = None,
    recipe: shared.RecipeName = None,
    config: shared.ConfigFile = None,
    option: shared.FamilyOptions = None,
    generator: shared.Generator = None,
    shape: shared.Inputs = None,
    data: shared.Data = None,
    ignore: shared.Ignored = None,
    ignore_pattern: shared.IgnoredPatterns = None,
    ignore_type: shared.IgnoredTypes = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A distance to the teacher's pictures; the first one decides.",
            autocompletion=complete_metric,
        ),
    ] = None,
    metric_option: shared.MetricOptions = None,
    samples: Annotated[int, typer.Option(help="Held-out pictures to compare.")] = 32,
    ratios: Annotated[
        list[str] | None,
        typer.Option(metavar="LIST", help="Widths to try, such as 0.25,0.5,0.75; or none."),
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(metavar="LIST", help="Only these layers and groups, or what is inside."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Where to draw; by default in the run.")] = None,
    seed: shared.Seed = None,
    out: shared.Out = Path("runs/sensitivity"),
) -> None:
    """Show what decomposing each layer and narrowing each group would cost, without training.

    Example: gancompress sensitivity runs/small

    Example: gancompress sensitivity --family pix2pix --recipe openmoji --samples 64
    """
    options: Globals = context.obj
    from gancompress.compress import Examined, begin_sensitivity, measure_sensitivity
    from gancompress.report import check_plot, plain_text, save_sensitivity_plot, sensitivity_table

    question = _question(metric, samples, ratios, layers)
    if plot is not None:
        check_plot()
    host = options.host()
    given = Given(
        (family,),
        recipe,
        config,
        option or (),
        seed,
        generator,
        shape or (),
        data,
        {"space": {"ignored": ignoring(ignore, ignore_pattern, ignore_type)}},
    )
    metrics = metric_options(metric_option)
    if run is None:
        chosen, merged = replace(given, settings={**given.settings, "metrics": metrics}).settle(
            host
        )
        examined = begin_sensitivity(
            out, chosen, merged, host, question, teacher=teacher, trust=options.trust
        )
    elif given != Given((None,), settings={"space": {"ignored": None}}) or teacher is not None:
        raise ConfigError(
            f"'{run}' has a teacher and a configuration of its own",
            hint="leave the other options out, or the run directory",
        )
    else:
        examined = Examined.of_run(run, host, question, metrics=metrics, trust=options.trust)
    with options.observer(host, examined.run) as emit, examined.open() as held:
        report = measure_sensitivity(examined, question, emit=emit)
        picture = plot or held.path("sensitivity.png")
        try:
            save_sensitivity_plot(picture, report)
            shown = f"plot: {picture}"
        except MissingExtraError as error:
            shown = f"no plot: {error.message}; {error.hint}"
    lines = [f"report: {held.path('sensitivity.json')}", shown]
    table = plain_text(sensitivity_table(report), width=options.columns).rstrip()
    options.show(report.to_dict(), "\n".join([table, *lines]))


def _question(
    metric: list[str] | None, samples: int, ratios: list[str] | None, layers: list[str] | None
) -> "Question":
    from gancompress.compress import Question

    given = Question(samples=samples, layers=tuple(listed("--layers", layers)))
    shares = given.ratios if ratios is None else _numbers(listed("--ratios", ratios))
    metrics = tuple(listed("--metric", metric)) or given.metrics
    return Question(metrics, samples, shares, given.layers)


def _numbers(texts: list[str]) -> tuple[float, ...]:
    if texts == ["none"]:
        return ()
    try:
        return tuple(map(float, texts))
    except ValueError:
        raise ConfigError(
            f"'{','.join(texts)}' of --ratios is no list of numbers",
            hint="for example --ratios 0.25,0.5,0.75",
        ) from None
