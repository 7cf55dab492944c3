"""Subnets as positions, what they cost, and how one that costs too much is narrowed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gancompress.cost import Budget, Cost, quantity
from gancompress.elastic import SubnetConfig
from gancompress.errors import BudgetError, ConfigError
from gancompress.search.evolution import Positions

# Narrowing tries scales in steps of 1/64, so that it costs at most six subnets.
_STEPS = 64
_WORDS: Final[Mapping[str, str]] = {
    "macs": "{:,} MACs",
    "params": "{:,} parameters",
    "macs_published": "{:,} MACs as published tables count them",
    "memory": "{:,} bytes of activations",
    "latency_ms": "{:.3g} ms",
}


class Candidates:
    """The space of subnets as a grid, with the cost of every one that was asked for.

    Args:
        choices: Widths of each group, ascending.
        budget: What a subnet may cost.
        price: Cost of a subnet, which this class asks for once.
        time: Milliseconds of a subnet, which this class asks for once, and only where all other
            limits are kept; it is needed where the budget limits the latency.

    Raises:
        ConfigError: If the budget limits the latency and nothing measures it.
    """

    def __init__(
        self,
        choices: Mapping[str, tuple[int, ...]],
        budget: Budget,
        price: Callable[[SubnetConfig], Cost],
        time: Callable[[SubnetConfig], float] | None = None,
    ) -> None:
        if budget.latency_ms is not None and time is None:
            raise ConfigError(
                "the budget limits 'latency_ms', and nothing measures it",
                hint="say on what it is measured: --on onnx, or the argument 'latency' in Python",
            )
        self.keys = tuple(choices)
        self.widths = tuple(choices.values())
        self.sizes = tuple(len(widths) for widths in self.widths)
        self._budget = budget
        self._price = price
        self._time = time if budget.latency_ms is not None else None
        self._costs: dict[Positions, Cost] = {}

    @property
    def narrowest(self) -> Positions:
        """The smallest width of every group."""
        return (0,) * len(self.keys)

    @property
    def widest(self) -> Positions:
        """The largest width of every group."""
        return tuple(size - 1 for size in self.sizes)

    def config(self, positions: Positions) -> SubnetConfig:
        """Give the widths at some positions."""
        widths = (group[at] for group, at in zip(self.widths, positions, strict=True))
        return SubnetConfig(dict(zip(self.keys, widths, strict=True)))

    def positions(self, config: SubnetConfig) -> Positions:
        """Give the positions of a subnet of this space."""
        return tuple(
            group.index(config.widths[key])
            for key, group in zip(self.keys, self.widths, strict=True)
        )

    def cost(self, positions: Positions) -> Cost:
        """Give a subnet's cost, measured at most once."""
        if positions not in self._costs:
            self._costs[positions] = self._price(self.config(positions))
        return self._costs[positions]

    def know(self, positions: Positions, cost: Cost) -> None:
        """Take a cost that was measured before.

        Args:
            positions: The subnet.
            cost: What it takes.
        """
        self._costs[positions] = cost

    def admits(self, positions: Positions) -> bool:
        """Tell whether a subnet is within the budget."""
        if not self._budget.untimed.admits(self.cost(positions)):
            return False
        return self._time is None or self._budget.admits(self._timed(positions))

    def check_budget(self) -> None:
        """Make sure that at least the narrowest subnet is within the budget.

        Raises:
            BudgetError: If it is not; the message says what it costs.
        """
        if self.admits(self.narrowest):
            return
        # Its latency was not measured where something else is too much already.
        cost = self.cost(self.narrowest) if self._time is None else self._timed(self.narrowest)
        limits = self._budget.limits
        takes = [_WORDS[name].format(quantity(cost, name)) for name in limits]
        raise BudgetError(
            f"no subnet meets the budget '{', '.join(f'{k} {v}' for k, v in limits.items())}': "
            f"the smallest one takes {' and '.join(takes)}",
            hint="raise the budget, decompose more layers, or allow narrower widths",
        )

    def _timed(self, positions: Positions) -> Cost:
        cost = self.cost(positions)
        if cost.latency_ms is None and self._time is not None:
            cost = replace(cost, latency_ms=self._time(self.config(positions)))
            self._costs[positions] = cost
        return cost

    def fit(self, positions: Positions) -> Positions:
        """Narrow every group by the same share, by as little as meets the budget.

        Bisection ends after six subnets, whatever they cost: the narrowest one, which is within
        the budget, is the lower end.

        Args:
            positions: Any.

        Returns:
            The same where they are within the budget.
        """
        if self.admits(positions):
            return positions
        low, high, best = 0, _STEPS, self.narrowest
        while high - low > 1:
            middle = (low + high) // 2
            scaled = tuple(position * middle // _STEPS for position in positions)
            if self.admits(scaled):
                low, best = middle, scaled
            else:
                high = middle
        return best

    def fill(self, positions: Positions) -> Positions:
        """Widen each group in turn by one step, where the budget still has room for it.

        Args:
            positions: Within the budget.

        Returns:
            Within the budget, and at least as wide everywhere.
        """
        for index, size in enumerate(self.sizes):
            step = min(positions[index] + 1, size - 1)
            wider = (*positions[:index], step, *positions[index + 1 :])
            if self.admits(wider):
                positions = wider
        return positions
