"""How much a network may cost."""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from gancompress.cost.measure import Cost
from gancompress.errors import ConfigError

Limit: TypeAlias = int | float | str | None

_SUFFIXES: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_HINT: Final = "write a positive number, '250M', '3G', or '8x' for an eighth of the teacher's"


@dataclass(frozen=True)
class Budget:
    """The most that a network may cost; None means no limit.

    >>> Budget(macs="3G").admits(Cost(macs=3_000_000_000, macs_published=0, params=1))
    True

    Args:
        macs: True multiply-accumulates: a number, ``"3G"``, or ``"8x"`` for the teacher's
            divided by 8.
        params: Parameters, written likewise.

    Raises:
        ConfigError: If a limit is neither.
    """

    macs: Limit = None
    params: Limit = None

    def __post_init__(self) -> None:
        _parse("macs", self.macs)
        _parse("params", self.params)

    @property
    def relative(self) -> bool:
        """Whether a limit is a fraction of the teacher's, so that `resolve` is needed first."""
        return any(_parse("limit", value)[1] for value in (self.macs, self.params))

    def resolve(self, teacher: Cost) -> "Budget":
        """Turn every limit into an integer.

        Args:
            teacher: What limits such as ``8x`` divide.

        Returns:
            A budget of integers and None.
        """
        return Budget(
            macs=_absolute("macs", self.macs, teacher.macs),
            params=_absolute("params", self.params, teacher.params),
        )

    def admits(self, cost: Cost) -> bool:
        """Tell whether a cost is within every limit.

        Args:
            cost: What a network takes.

        Returns:
            False if one limit is exceeded.

        Raises:
            ConfigError: If a limit still is relative to a teacher.
        """
        macs = _absolute("macs", self.macs, None)
        params = _absolute("params", self.params, None)
        return (macs is None or cost.macs <= macs) and (params is None or cost.params <= params)


def _absolute(name: str, value: Limit, teacher: int | None) -> int | None:
    number, relative = _parse(name, value)
    if number is None:
        return None
    if not relative:
        return int(number)
    if teacher is None:
        raise ConfigError(
            f"'{value}' for '{name}' is relative to a teacher that is not given",
            hint="call budget.resolve(measure_cost(teacher, inputs)) first",
        )
    return int(teacher / number)


def _parse(name: str, value: Limit) -> tuple[float | None, bool]:
    """Give the number, and whether it divides the teacher's cost."""
    if value is None:
        return None, False
    number, relative = _read(value)
    if number is None or not math.isfinite(number) or number <= 0:
        raise ConfigError(f"'{value}' cannot be used as a limit of '{name}'", hint=_HINT)
    return number, relative


def _read(value: float | str) -> tuple[float | None, bool]:
    if isinstance(value, bool) or not isinstance(value, str):
        return (None if isinstance(value, bool) else value), False
    text = value.strip().replace("_", "").upper()
    relative = text.endswith("X")
    digits = text[:-1] if relative else text.rstrip("KMGT")
    suffix = "" if relative else text[len(digits) :]
    try:
        return float(digits) * _SUFFIXES[suffix], relative
    except (ValueError, KeyError):
        return None, relative
