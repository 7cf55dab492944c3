"""Which widths each channel group may take."""

import difflib
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from gancompress.elastic.config import SubnetConfig
from gancompress.errors import SubnetError
from gancompress.graph import ChannelGraph, ChannelGroup


@dataclass(frozen=True)
class SearchSpace:
    """The widths to search over.

    Args:
        choices: For each group's key the numbers of units that it may keep, ascending. Groups
            that are not named stay at full width.

    Raises:
        SubnetError: If a group has no choice, or its choices are not ascending and positive.
    """

    choices: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        for key, widths in self.choices.items():
            if not widths or widths[0] < 1 or list(widths) != sorted(set(widths)):
                raise SubnetError(
                    f"the widths of group '{key}' are '{widths}'",
                    hint="give at least one positive width, in ascending order",
                )
        object.__setattr__(self, "choices", {k: tuple(v) for k, v in self.choices.items()})

    @classmethod
    def multiples_of(
        cls, divisor: int = 8, *, smallest: float = 0.25, largest: float = 1.0
    ) -> "SpaceRule":
        """Return the rule that lets producers end on multiples of some number of channels.

        Args:
            divisor: Channels; where units own several, units × channels per unit is a multiple.
            smallest: Smallest width as a share of the full one, in (0, 1].
            largest: Largest width as a share of the full one, in (0, 1]. At 1 the full width is
                among the choices even if it is no multiple.

        Returns:
            A function from a channel graph to the space of its searchable groups.

        Raises:
            SubnetError: If the divisor or the shares make no sense.
        """
        if divisor < 1 or not 0 < smallest <= largest <= 1:
            raise SubnetError(
                f"no widths are multiples of '{divisor}' from '{smallest}' to '{largest}'",
                hint="the divisor is at least 1, and 0 < smallest <= largest <= 1",
            )

        def rule(graph: ChannelGraph) -> SearchSpace:
            return cls(
                {
                    group.key: _multiples(group, divisor, smallest, largest)
                    for group in graph.searchable()
                }
            )

        return rule

    @property
    def size(self) -> int:
        """Number of different subnets."""
        return math.prod(len(widths) for widths in self.choices.values())

    def largest(self) -> SubnetConfig:
        """Return the widest subnet."""
        return SubnetConfig({key: widths[-1] for key, widths in self.choices.items()})

    def smallest(self) -> SubnetConfig:
        """Return the narrowest subnet."""
        return SubnetConfig({key: widths[0] for key, widths in self.choices.items()})

    def sample(self, rng: random.Random) -> SubnetConfig:
        """Draw each group's width uniformly and independently.

        Args:
            rng: Source of randomness; the same state draws the same subnet.
        """
        return SubnetConfig({key: rng.choice(widths) for key, widths in self.choices.items()})

    def check_groups(self, graph: ChannelGraph) -> None:
        """Make sure that every choice fits a channel graph.

        Args:
            graph: The graph of the supernet.

        Raises:
            SubnetError: If a group does not exist, is frozen, or has fewer units.
        """
        for key, widths in self.choices.items():
            for width in widths:
                check_width(graph, key, width)


SpaceRule: TypeAlias = Callable[[ChannelGraph], SearchSpace]


def check_width(graph: ChannelGraph, key: str, width: int) -> None:
    """Make sure that a group exists, is searchable, and has at least so many units.

    Args:
        graph: The graph of the supernet.
        key: Key of the group.
        width: Units to keep.

    Raises:
        SubnetError: If it is not so; the hint names groups that are spelt alike.
    """
    groups = {group.key: group for group in graph.groups}
    group = groups.get(key)
    if group is None:
        searchable = [one.key for one in graph.searchable()]
        close = difflib.get_close_matches(key, searchable, n=3, cutoff=0.5) or searchable[:3]
        raise SubnetError(
            f"the supernet has no group '{key}'",
            hint=f"it has {', '.join(map(repr, close)) or 'no searchable group'}",
        )
    if group.frozen is not None:
        raise SubnetError(
            f"group '{key}' cannot change its width: {group.frozen}",
            hint="leave it out: it stays at full width",
        )
    if not 1 <= width <= group.units:
        raise SubnetError(
            f"group '{key}' cannot keep {width} units",
            hint=f"it has {group.units}",
        )


def _multiples(
    group: ChannelGroup, divisor: int, smallest: float, largest: float
) -> tuple[int, ...]:
    """Return the widths of one group in units; the full one where no other fits."""
    per_unit = Fraction(group.width, group.units)
    fitting = [
        units
        for units in range(1, group.units + 1)
        if (units * per_unit) % divisor == 0
        and smallest * group.units <= units <= largest * group.units
    ]
    if largest == 1 or not fitting:
        fitting.append(group.units)
    return tuple(sorted(set(fitting)))
