"""What the global options say, carried from the root command to the verbs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gancompress.events import Emit
    from gancompress.plugins import PluginHost
    from gancompress.store import RunDirectory


@dataclass(frozen=True)
class Globals:
    """The global options.

    Args:
        plugins: Unpackaged plugin files.
        blocked: Names of plugins that are left out.
        json: Whether results are printed as JSON.
        quiet: Whether progress is hidden.
    """

    plugins: tuple[Path, ...] = ()
    blocked: tuple[str, ...] = ()
    json: bool = False
    quiet: bool = False

    def host(self) -> "PluginHost":
        """Find the plugins."""
        from gancompress.plugins import PluginHost

        return PluginHost.discover(self.plugins, self.blocked)

    @contextmanager
    def observer(self, host: "PluginHost", run: "RunDirectory") -> Iterator["Emit"]:
        """Show events to the person, to the plugins, and to the run's ``events.jsonl``."""
        from dataclasses import asdict

        from gancompress.events import RunEvent
        from gancompress.report import ProgressObserver

        with ProgressObserver(quiet=self.quiet) as progress:

            def emit(event: RunEvent) -> None:
                run.log({"event": type(event).__name__, **asdict(event)})
                progress(event)
                host.emit(event)

            yield emit

    def show(self, value: dict[str, Any], text: str) -> None:
        """Print a result on stdout: as JSON where that was asked for, else as text."""
        sys.stdout.write((json.dumps(value, indent=2) if self.json else text) + "\n")
