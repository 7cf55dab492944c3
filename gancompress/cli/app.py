"""The root command, its global options, and how errors reach the user."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from gancompress import __version__
from gancompress.cli import (
    bench,
    compress,
    data,
    demo,
    distill,
    inspect,
    plugins,
    processes,
    report,
    search,
    sensitivity,
    stage,
    train,
)
from gancompress.cli.context import Globals
from gancompress.cli.guard import guarded
from gancompress.errors import GancompressError

INTERRUPTED = 130
# Global flags are understood after the verb too, where people write them.
_FLAGS = ("--json", "--quiet", "--traceback", "--trust")
_DEVICE = "--device"
# Several processes do these together; of every other verb the first one does all.
_TOGETHER = ("train", "distill", "finetune", "compress", "demo")

app = typer.Typer(
    name="gancompress",
    help="Compress any conditional image generator.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order in which the job goes.
app.command("demo")(guarded(demo.demo))
app.command("compress")(guarded(compress.compress))
app.command("train")(guarded(train.train))
app.command("inspect")(guarded(inspect.inspect))
app.command("sensitivity")(guarded(sensitivity.sensitivity))
app.command("distill")(guarded(distill.distill))
app.command("search")(guarded(search.search))
app.command("finetune")(guarded(stage.finetune))
app.command("export")(guarded(stage.export))
app.command("evaluate")(guarded(stage.evaluate))
app.command("bench")(guarded(bench.bench))
app.command("report")(guarded(report.report))
app.add_typer(data.app, name="data")
app.command("plugins")(guarded(plugins.plugins))


def _version(value: bool) -> None:  # typer calls it with the flag's value
    if value:
        sys.stdout.write(f"gancompress {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    plugin: Annotated[
        list[Path] | None, typer.Option(help="Load an unpackaged plugin file.")
    ] = None,
    no_plugin: Annotated[list[str] | None, typer.Option(help="Leave a plugin out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Load files that run code when they are loaded, such as TorchScript."
        ),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(help="Where to train and to score: cpu, cuda, cuda:1 or mps."),
    ] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where a user mistake was found.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compress any conditional image generator.

    --json, --quiet, --trust, --device and --traceback may stand after the verb too.
    """
    del traceback, version
    if context.invoked_subcommand not in _TOGETHER and not processes.stand_alone():
        raise typer.Exit
    words = context.obj if isinstance(context.obj, tuple) else ()
    context.obj = Globals(
        tuple(plugin or ()), tuple(no_plugin or ()), json, quiet, trust, device, sys.stdout, words
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process.

    A user's mistake is one sentence and a hint on stderr, exit code 2; a bug keeps its traceback.

    Args:
        arguments: Words after the command's name; None takes those of the process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A result must not be lost because the terminal has no é.
        sys.stdout.reconfigure(errors="replace")
    words = sys.argv[1:] if arguments is None else arguments
    try:
        # Named so however it was started.
        app(_sorted(words), prog_name="gancompress", obj=tuple(words))
        processes.leave()
    except GancompressError as error:
        if not processes.speaks():
            sys.exit(error.exit_code)
        if "--traceback" in words:
            raise
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error.message}{hint}\n")
        sys.exit(error.exit_code)
    except SystemExit as leaving:
        # typer turns the interrupt of the keyboard into an exit, and says nothing.
        if leaving.code == INTERRUPTED:
            sys.stderr.write("interrupted: the same command goes on from the last checkpoint\n")
        raise
    except Exception:
        processes.speaks()  # the others say nothing about having lost this one
        raise


def _sorted(words: list[str]) -> list[str]:
    """Put global options before the verb."""
    first, rest = [], []
    left = iter(words)
    for word in left:
        if word == _DEVICE:
            first += [word, *(value for value in [next(left, None)] if value is not None)]
        elif word in _FLAGS or word.startswith(f"{_DEVICE}="):
            first.append(word)
        else:
            rest.append(word)
    return [*first, *rest]
