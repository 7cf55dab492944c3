"""How a comparison is timed."""

import os
from dataclasses import dataclass, field
from typing import Final

from gancompress.errors import ConfigError

RUNS: Final = 50
WARMUP: Final = 5


def processors() -> list[int] | None:
    """Return the numbers of the processors that this process may use; None where nobody says."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def default_threads() -> int:
    """Return as many threads as PyTorch would take here."""
    import torch  # noqa: PLC0415 - slow to import, and the rest does without

    return min(torch.get_num_threads(), len(processors() or range(os.cpu_count() or 1)))


@dataclass(frozen=True)
class Settings:
    """How a comparison is timed.

    Args:
        threads: Threads of each runtime; its process is bound to as many processors.
        batches: Pictures a call; the percentiles are those of the first.
        runs: Timed calls of each generator at each batch size.
        warmup: Calls of each before the clock counts.
    """

    threads: int = field(default_factory=default_threads)
    batches: tuple[int, ...] = (1,)
    runs: int = RUNS
    warmup: int = WARMUP

    def __post_init__(self) -> None:
        most = len(processors() or range(os.cpu_count() or 1))
        if not 1 <= self.threads <= most:
            raise ConfigError(
                f"'{self.threads}' threads cannot be had", hint=f"give from 1 to {most}"
            )
        if not self.batches or min(self.batches) < 1:
            raise ConfigError(
                f"'{','.join(map(str, self.batches))}' are no batch sizes",
                hint="give whole numbers from 1 on, such as 1,4,16",
            )
        if self.runs < 1 or self.warmup < 0:
            raise ConfigError(f"'{self.runs}' runs cannot be timed", hint="give at least one run")

    @property
    def cpus(self) -> list[int] | None:
        """The processors that a process is bound to; None where the system cannot."""
        found = processors()
        return None if found is None else found[: self.threads]
