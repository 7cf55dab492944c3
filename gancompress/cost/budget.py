"""How much a network may cost."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from gancompress.cost.measure import Cost
from gancompress.errors import ConfigError

Limit: TypeAlias = int | float | str | None

# Which part of a cost each limit limits.
QUANTITIES: Final[Mapping[str, str]] = {
    "macs": "macs",
    "params": "params",
    "macs_published": "macs_published",
    "memory": "activation_bytes",
    "latency_ms": "latency_ms",
}

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
        macs_published: Multiply-accumulates as the published tables count them, written likewise.
        memory: Bytes of activations (`Cost.activation_bytes`), written likewise: ``"64M"`` are
            64 million.
        latency_ms: Median milliseconds of a forward pass, written likewise.

    Raises:
        ConfigError: If a limit is none of these.
    """

    macs: Limit = None
    params: Limit = None
    macs_published: Limit = None
    memory: Limit = None
    latency_ms: Limit = None

    def __post_init__(self) -> None:
        for name in QUANTITIES:
            _parse(name, getattr(self, name))

    @property
    def limits(self) -> dict[str, float | str]:
        """The limits that there are, by name, as they were given."""
        return {name: limit for name in QUANTITIES if (limit := getattr(self, name)) is not None}

    @property
    def relative(self) -> bool:
        """Whether a limit is a fraction of the teacher's, so that `resolve` is needed first."""
        return any(_parse(name, value)[1] for name, value in self.limits.items())

    @property
    def untimed(self) -> "Budget":
        """The same without the limit of the latency, which takes long to measure."""
        return replace(self, latency_ms=None)

    def resolve(self, teacher: Cost) -> "Budget":
        """Turn every limit into a number.

        Args:
            teacher: What limits such as ``8x`` divide.

        Returns:
            A budget of numbers and None: whole ones, but for the latency.

        Raises:
            ConfigError: If the teacher's cost lacks what a limit divides.
        """
        return Budget(
            **{
                name: _absolute(name, value, quantity(teacher, name))
                for name, value in self.limits.items()
            }
        )

    def admits(self, cost: Cost) -> bool:
        """Tell whether a cost is within every limit.

        Args:
            cost: What a network takes.

        Returns:
            False if one limit is exceeded.

        Raises:
            ConfigError: If a limit still is relative to a teacher, or the cost lacks what it
                limits.
        """
        limits = {name: _absolute(name, value, None) for name, value in self.limits.items()}
        return all(_known(cost, name) <= limit for name, limit in limits.items())


def quantity(cost: Cost, name: str) -> float | None:
    """Return what a limit limits.

    Args:
        cost: What a network takes.
        name: Name of the limit.

    Returns:
        The number; None where it was not measured.
    """
    value: float | None = getattr(cost, QUANTITIES[name])
    return value


def _known(cost: Cost, name: str) -> float:
    value = quantity(cost, name)
    if value is None:
        raise ConfigError(
            f"the budget limits '{name}', and the cost has no '{QUANTITIES[name]}'",
            hint="measure it, or leave the limit out",
        )
    return value


def _absolute(name: str, value: Limit, teacher: float | None) -> float:
    number, relative = _parse(name, value)
    assert number is not None, "only limits that there are come here"  # noqa: S101
    whole: Callable[[float], float] = float if name == "latency_ms" else int
    if not relative:
        return whole(number)
    if teacher is None:
        raise ConfigError(
            f"'{value}' for '{name}' is relative to a teacher that is not given",
            hint="call budget.resolve(measure_cost(teacher, inputs)) first",
        )
    return whole(teacher / number)


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
