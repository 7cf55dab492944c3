"""What the global options say, carried from the root command to the verbs."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from gancompress.cli.called import call_record
from gancompress.cli.processes import follows

if TYPE_CHECKING:
    from gancompress.compress import Job, Workers
    from gancompress.events import Emit
    from gancompress.plugins import PluginHost
    from gancompress.store import RunDirectory

_NARROW: Final = 80
_WIDE: Final = 160


@dataclass(frozen=True)
class Globals:
    """The global options.

    Args:
        plugins: Unpackaged plugin files.
        blocked: Names of plugins that are left out.
        json: Whether results are printed as JSON.
        quiet: Whether progress is hidden.
        trust: Whether files that run code when they are loaded may be loaded.
        device: Where to train and to score; None takes what there is.
        stdout: Where results go, whatever `sys.stdout` is by then.
        words: The call as it was given, which a run writes down.
    """

    plugins: tuple[Path, ...] = ()
    blocked: tuple[str, ...] = ()
    json: bool = False
    quiet: bool = False
    trust: bool = False
    device: str | None = None
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    words: tuple[str, ...] = ()

    @property
    def columns(self) -> int:
        """How wide a table may be: as wide as the terminal, 80 where there is none.

        A narrower terminal breaks lines by itself, and above 160 columns the eye loses the row.
        """
        return min(max(shutil.get_terminal_size().columns, _NARROW), _WIDE)

    def host(self) -> "PluginHost":
        """Find the plugins."""
        from gancompress.plugins import PluginHost

        return PluginHost.discover(self.plugins, self.blocked)

    @contextmanager
    def observer(self, host: "PluginHost", run: "RunDirectory") -> Iterator["Emit"]:
        """Show events to the person, to the plugins, and to the run's ``events.jsonl``.

        The run's report follows them. A process that follows another one says nothing.
        """
        from dataclasses import asdict

        from gancompress.events import Notice, RunEvent, discard
        from gancompress.report import ProgressObserver, Refresher

        if follows():
            yield discard
            return
        run.log(call_record(self.words))
        with (
            ProgressObserver(quiet=self.quiet) as progress,
            closing(Refresher(run, lambda text: progress(Notice("report", text)))) as refresh,
        ):

            def emit(event: RunEvent) -> None:
                run.log({"event": type(event).__name__, **asdict(event)})
                progress(event)
                host.emit(event)
                refresh(event)

            yield emit

    def show(self, value: dict[str, Any], text: str) -> None:
        """Print a result on stdout: as JSON where that was asked for, else as text."""
        if not follows():
            self.stdout.write((json.dumps(value, indent=2) if self.json else text) + "\n")

    def compress(self, host: "PluginHost", job: "Job", workers: "Workers | None" = None) -> None:
        """Do every stage of a job, and show its table."""
        from gancompress.compress import exported_file, run_stages
        from gancompress.compress.stage import STAGES
        from gancompress.report import REPORT, save_grid

        run = job.run
        with self.observer(host, run) as emit, job.open(STAGES, emit) as project:
            figures = run_stages(run, project, draw=save_grid, workers=workers, emit=emit)
        pictures = run.path("samples.png")
        shown = [f"pictures: {pictures}"] if pictures.is_file() else []
        page = run.path(REPORT)
        shown += [f"report: {page}"] if page.is_file() else []
        self.show_figures(run, figures, f"exported: {exported_file(run)}", *shown)

    def show_figures(self, run: "RunDirectory", value: dict[str, Any], *more: str) -> None:
        """Print a value as JSON, or the run's table with more lines below it."""
        from gancompress.compress import read_summary, summarise
        from gancompress.report import ModelFigures, metric_lines, plain_text, summary_table

        rows = summarise(run)
        figures = {
            name: ModelFigures(**rows[name]) for name in ("teacher", "compressed", "baseline")
        }
        further = read_summary(run, "evaluate") if run.stage_done("evaluate") else {}
        lines = [*metric_lines(further.get("metrics", {})), *more]
        self.show(value, "\n".join([plain_text(summary_table(**figures)).rstrip(), *lines]))
