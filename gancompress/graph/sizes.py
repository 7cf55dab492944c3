"""Sizes that a graph states as numbers, and what they are in a narrower net."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

INFERRED: Final = -1


@dataclass(frozen=True, eq=False)
class Size:
    """A number in a call of the graph that counts channels.

    Args:
        node: Name of the node that makes the call.
        place: Where the number is: position or name of the argument, then indices into it, or
            ``start`` and ``stop`` of a slice.
        units: Unit ids of the channels that it counts, -1 for those of no unit; None where torch
            infers the size, or the number stays.
        value: The number where it stays as it is at full width.
    """

    node: str
    place: tuple[int | str, ...]
    units: NDArray[np.int64] | None
    value: float | None = None

    def at(self, active: NDArray[np.bool_]) -> float:
        """Return the number for a subnet.

        Args:
            active: For each unit id whether it is active.
        """
        if self.units is None:
            return INFERRED if self.value is None else self.value
        return int(((self.units < 0) | active[np.maximum(self.units, 0)]).sum())


Call = tuple[tuple[Any, ...], Mapping[str, Any]]


def resized(call: Call, numbers: Mapping[tuple[int | str, ...], float]) -> Call:
    """Return a call's arguments with other numbers in some places.

    Args:
        call: Positional and keyword arguments.
        numbers: The numbers by place.
    """
    args, kwargs = list(call[0]), dict(call[1])
    for place, number in numbers.items():
        first, *rest = place
        if isinstance(first, int):
            args[first] = _put(args[first], rest, number)
        else:
            kwargs[first] = _put(kwargs[first], rest, number)
    return tuple(args), kwargs


def number_at(call: Call, place: tuple[int | str, ...]) -> Any:
    """Return what stands at a place of a call's arguments.

    Args:
        call: Positional and keyword arguments.
        place: The place.
    """
    first, *rest = place
    value = call[0][first] if isinstance(first, int) else call[1][first]
    for index in rest:
        value = getattr(value, index) if isinstance(index, str) else value[index]
    return value


def _put(value: Any, place: list[int | str], number: float) -> Any:
    """Return a value with one number in it replaced, at any depth."""
    if not place:
        return number
    first, *rest = place
    if isinstance(value, slice):
        ends = {name: getattr(value, name) for name in ("start", "stop", "step")}
        ends[str(first)] = _put(ends[str(first)], rest, number)
        return slice(*ends.values())
    if not isinstance(value, tuple | list):
        raise TypeError(f"there is no place {place} in an argument {value!r}")
    changed = list(value)
    changed[int(first)] = _put(changed[int(first)], rest, number)
    return tuple(changed) if isinstance(value, tuple) else changed


def numbers_by_node(
    sizes: Iterable[Size], active: NDArray[np.bool_]
) -> dict[str, dict[tuple[int | str, ...], float]]:
    """Return what all sizes are in a subnet, by node and place.

    Args:
        sizes: The sizes.
        active: For each unit id whether it is active.
    """
    found: dict[str, dict[tuple[int | str, ...], float]] = {}
    for size in sizes:
        found.setdefault(size.node, {})[size.place] = size.at(active)
    return found
