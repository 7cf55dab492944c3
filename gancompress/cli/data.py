"""``gancompress data``: what is published, and what lies on the disk."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gancompress.cli import options as shared
from gancompress.cli import statistics
from gancompress.cli.completion import complete_family, complete_metric
from gancompress.cli.context import Globals
from gancompress.cli.guard import guarded
from gancompress.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gancompress.gan import Preparer, Source
    from gancompress.plugins import PluginHost

Family = Annotated[
    str | None,
    typer.Option(help="Only what this GAN family offers.", autocompletion=complete_family),
]

app = typer.Typer(
    help="Download, prepare and check data sets and checkpoints.", no_args_is_help=True
)


@app.command("list")
@guarded
def list_(context: typer.Context, family: Family = None) -> None:
    """List the data sets and checkpoints that can be downloaded, and what can be prepared.

    Example: gancompress data list --family pix2pix
    """
    options: Globals = context.obj
    from gancompress.report import source_lines

    host = options.host()
    sources = [
        {"id": name, "family": name.partition("/")[0], **asdict(source)}
        for name, source in _sources(host, family).items()
    ]
    preparers = [
        {
            "id": name,
            "family": name.partition("/")[0],
            "inputs": list(preparer.inputs),
            "summary": preparer.summary,
            "options": sorted(preparer.options.model_fields),
        }
        for name, preparer in _preparers(host, family).items()
    ]
    text = [
        *source_lines(sources),
        *(
            f"prepare {row['id']} {' '.join(row['inputs'])} OUT: {row['summary']}; "
            f"options: {', '.join(row['options'])}"
            for row in preparers
        ),
    ]
    options.show(
        {"sources": sources, "preparers": preparers}, "\n".join(text) or "nothing is offered"
    )


@app.command()
@guarded
def download(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="FAMILY/NAME of `data list`, or NAME alone.")],
    family: Family = None,
    out: Annotated[Path, typer.Option(help="Folder; each family has one inside.")] = Path("data"),
    url: Annotated[
        str | None, typer.Option(help="Another address of the same file: a mirror, file:///…")
    ] = None,
) -> None:
    """Download a published data set or checkpoint; the same command again goes on where it was.

    Size and SHA-256 are recorded beside it at the first time, and checked afterwards.

    Example: gancompress data download pix2pix/facades --out data
    """
    options: Globals = context.obj
    from gancompress.gan import fetch_source
    from gancompress.report import ProgressObserver
    from gancompress.store import read_provenance

    chosen, source = _one(_sources(options.host(), family), name, "data set or checkpoint")
    folder = out / chosen.partition("/")[0]
    with ProgressObserver(quiet=options.quiet) as progress:
        path = fetch_source(source, folder, url=url, emit=progress)
    known = read_provenance(folder)[source.url or source.name]
    options.show(
        {"id": chosen, "path": str(path), "licence": source.licence, **asdict(known)},
        f"{source.kind}: {path}\nsha256: {known.sha256}\nterms: {source.licence}",
    )


@app.command()
@guarded
def prepare(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A preparer of `data list`, such as pairs.")],
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDERS... OUT", help="What it reads, and writes.")
    ],
    family: Family = None,
    option: Annotated[
        list[str] | None, typer.Option("-o", "--option", help="An option of it, key=value.")
    ] = None,
) -> None:
    """Make a family's folders with train, val and test of your own copy of the data.

    Example: gancompress data prepare pairs photos drawings pairs -o val=0.2

    Example: gancompress data prepare cityscapes downloads/cityscapes cityscapes
    """
    options: Globals = context.obj
    from gancompress.gan import prepare_data
    from gancompress.report import ProgressObserver

    chosen, preparer = _one(_preparers(options.host(), family), name, "preparer")
    *inputs, target = folders
    if len(inputs) != len(preparer.inputs):
        raise ConfigError(
            f"'{name}' takes {len(preparer.inputs) + 1} folders and got {len(folders)}",
            hint=f"give {' '.join(preparer.inputs)} OUT",
        )
    values = _values(preparer, option or [])
    with ProgressObserver(quiet=options.quiet) as progress:
        counts = prepare_data(preparer, inputs, target, values, emit=progress)
    shown = "\n".join(f"{split}: {count:,}" for split, count in counts.items())
    options.show(
        {"preparer": chosen, "path": str(target), "counts": dict(counts)}, f"{shown}\n{target}"
    )


@app.command()
@guarded
def verify(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the data.")],
    family: Annotated[
        str, typer.Option(help="The GAN family that is to read it.", autocompletion=complete_family)
    ],
    recipe: shared.RecipeName = None,
    option: shared.FamilyOptions = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="A metric that an evaluation is to measure by.", autocompletion=complete_metric
        ),
    ] = None,
    metric_option: shared.MetricOptions = None,
) -> None:
    """Read every file of a folder as a family would, and list what is wrong with each.

    What is converted when it is read is a warning, and so is what makes figures poor. The exit
    code is 0 where a training could begin, and 1 where something would stop it.

    Example: gancompress data verify pairs --family pix2pix
    """
    options: Globals = context.obj
    from gancompress.cli.given import Given, metric_options
    from gancompress.compress import inspect_data, metrics_asked
    from gancompress.compress.metrics import configure_metrics
    from gancompress.report import ProgressObserver, data_table, plain_text, problem_lines

    host = options.host()
    settings: dict[str, Any] = {"metrics": metric_options(metric_option)}
    given = Given((family,), recipe, options=option or (), data=str(data), settings=settings)
    chosen, config = given.settle(host)
    offered = configure_metrics(host.metrics(), config.metrics, trust=options.trust)
    asked = metrics_asked(config, offered, metric or ())
    values = chosen.options.model_validate(config.options)
    with ProgressObserver(quiet=options.quiet) as progress:
        report = inspect_data(chosen, values, asked=asked, emit=progress)
    found = asdict(report)
    warnings = len(report.problems) - report.errors
    verdict = f"{report.errors} errors, {warnings} warnings"
    lines = [
        plain_text(data_table(found["figures"]), width=100).rstrip(),
        *problem_lines(found["problems"]),
        f"{'sound' if report.sound else 'not sound'}: {verdict}",
    ]
    options.show({"sound": report.sound, **found}, "\n".join(lines))
    if not report.sound:
        raise typer.Exit(1)


app.command("stats")(guarded(statistics.stats))


def _sources(host: "PluginHost", family: str | None) -> "dict[str, Source]":
    return {
        f"{one.name}/{name}": source
        for one in _families(host, family)
        for name, source in one.sources().items()
    }


def _preparers(host: "PluginHost", family: str | None) -> "dict[str, Preparer]":
    return {
        f"{one.name}/{preparer.name}": preparer
        for one in _families(host, family)
        for preparer in one.preparers()
    }


def _families(host: "PluginHost", family: str | None) -> list[Any]:
    return list(host.families().values()) if family is None else [host.family(family)]


def _one(offered: "dict[str, Any]", name: str, kind: str) -> tuple[str, Any]:
    """Find what is meant by a whole name, or by one without its family.

    Where several families offer the same thing, from the same address with the same content, it
    is the first one's.
    """
    found = [full for full in offered if name in {full, full.partition("/")[2]}]
    if len({_content(offered[full]) for full in found}) > 1:
        raise ConfigError(
            f"the {kind} '{name}' is offered as {' and as '.join(map(repr, found))}",
            hint="give the whole name, or --family",
        )
    if not found:
        from difflib import get_close_matches

        close = get_close_matches(name, [*offered, *(x.partition("/")[2] for x in offered)], 3)
        near = f"do you mean {' or '.join(map(repr, close))}? " if close else ""
        raise ConfigError(
            f"there is no {kind} '{name}'", hint=f"{near}see them all with `gancompress data list`"
        )
    return found[0], offered[found[0]]


def _content(offer: Any) -> Any:
    """Return what makes two offers the same download; anything else is only itself."""
    from gancompress.gan import Source

    if not isinstance(offer, Source) or not offer.url:
        return id(offer)
    return offer.kind, offer.url, offer.archive, offer.sha256, offer.size


def _values(preparer: "Preparer", options: list[str]) -> "BaseModel":
    from gancompress.config import parse

    pairs = [text.partition("=") for text in options]
    for key, sign, _ in pairs:
        if not (key and sign):
            raise ConfigError(
                f"'{key}' is not of the form key=value",
                hint=f"known keys: {', '.join(sorted(preparer.options.model_fields))}",
            )
    values = {key: value for key, _, value in pairs}
    result: BaseModel = parse(preparer.options, values, source=f"the options of '{preparer.name}'")
    return result
