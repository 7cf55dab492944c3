"""Subnets as positions, what they cost, and how one that costs too much is narrowed."""

import itertools
from collections.abc import Callable, Mapping, Sequence
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
        estimate: Predicts a subnet's MACs in no time, so that fewer are measured on the way to
            one that fits; None measures all.

    Raises:
        ConfigError: If the budget limits the latency and nothing measures it.
    """

    def __init__(
        self,
        choices: Mapping[str, tuple[int, ...]],
        budget: Budget,
        price: Callable[[SubnetConfig], Cost],
        time: Callable[[SubnetConfig], float] | None = None,
        estimate: Callable[[SubnetConfig], float] | None = None,
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
        self._estimate = estimate
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

    def may_admit(self, positions: Positions) -> bool:
        """Tell whether a subnet seems to be within the budget; `admits` knows."""
        limit = self._budget.macs
        if self._estimate is None or not isinstance(limit, (int, float)):
            return self.admits(positions)
        if positions not in self._costs and self._estimate(self.config(positions)) > limit:
            return False
        return len(self._budget.limits) == 1 or self.admits(positions)

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
        return self._widest(lambda step: tuple(position * step // _STEPS for position in positions))

    def keep_importance(self, importance: Mapping[str, Sequence[float]]) -> Positions:
        """Prune at one stroke: keep the same share of the importance in every group.

        A group whose units matter alike keeps most of them, and one with a few that matter keeps
        those. The share is the largest that meets the budget, by bisection.

        Args:
            importance: Of each group's units in their order, not negative.

        Returns:
            Within the budget.
        """
        kept = [_kept(importance[key]) for key in self.keys]

        def at(step: int) -> Positions:
            return tuple(
                next((i for i, width in enumerate(widths) if shares[width] >= step / _STEPS), -1)
                % len(widths)
                for widths, shares in zip(self.widths, kept, strict=True)
            )

        return self._widest(at)

    def _widest(self, at: Callable[[int], Positions]) -> Positions:
        """Return the last of `_STEPS` growing subnets that is within the budget."""
        if self.may_admit(at(_STEPS)) and self.admits(at(_STEPS)):
            return at(_STEPS)
        low = self._last(at, _STEPS, self.may_admit)
        # An estimate may be wrong.
        if low and not self.admits(at(low)):
            low = self._last(at, low, self.admits)
        return at(low) if low else self.narrowest

    @staticmethod
    def _last(at: Callable[[int], Positions], high: int, fits: Callable[[Positions], bool]) -> int:
        """Return the last step below one that does not fit, by bisection; 0 counts as fitting."""
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            if fits(at(middle)):
                low = middle
            else:
                high = middle
        return low

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
            if self.may_admit(wider) and self.admits(wider):
                positions = wider
        return positions


def _kept(importance: Sequence[float]) -> list[float]:
    """Return the share of a group's importance that its first units have, by their number."""
    sums = list(itertools.accumulate(importance, initial=0.0))
    return [one / (sums[-1] or 1.0) for one in sums]
