"""Record the terminal session of the README: real commands, and what they really print.

Run it from the repository's root with: python docs/record_terminal.py docs/images/terminal.svg
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COMMANDS = (
    "gancompress inspect --family pix2pix --recipe openmoji",
    "gancompress plugins",
)
COLUMNS = 92


def output_of(command: str) -> str:
    """Run a command as a terminal of `COLUMNS` would, and return what stands on stdout."""
    words = [sys.executable, "-m", *shlex.split(command)]
    asked = {**os.environ, "COLUMNS": str(COLUMNS)}
    done = subprocess.run(words, env=asked, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.rstrip()


def record() -> str:
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115
    for command in COMMANDS:
        console.print(Text(f"$ {command}", style="bold green"))
        console.print(Text(output_of(command)))
        console.print()
    return console.export_svg(title="gancompress", unique_id="terminal")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/terminal.svg")
    target.write_text(record(), encoding="utf-8")
