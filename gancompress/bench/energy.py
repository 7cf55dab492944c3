"""Where a machine says what energy its processors take: RAPL, by Linux's powercap."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

POWERCAP: Final = Path("/sys/class/powercap")
_COUNTER: Final = "energy_uj"


@dataclass(frozen=True)
class Counters:
    """The energy counters of a machine.

    Args:
        folders: One for each processor package; empty where energy cannot be measured.
        reason: Why not, as a sentence without its full stop; None where it can.
    """

    folders: tuple[Path, ...] = ()
    reason: str | None = None


def find_counters(root: Path = POWERCAP) -> Counters:
    """Look for counters of whole processors.

    Args:
        root: Where the system shows them.
    """
    # intel-rapl:0 is a processor (of AMD too); intel-rapl:0:1 is a part of it, counted in it.
    found = sorted(folder for folder in root.glob("intel-rapl:*") if folder.name.count(":") == 1)
    found = [folder for folder in found if _name(folder).startswith("package")]
    if not found:
        return Counters(reason=f"not measured: this machine shows no RAPL counter in '{root}'")
    try:
        for folder in found:
            int((folder / _COUNTER).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return Counters(
            reason=f"not measured: '{found[0] / _COUNTER}' may not be read by this user"
        )
    return Counters(tuple(found))


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text(encoding="ascii")
    except OSError:
        return ""
