"""Subnets as positions, what they cost, and how one that costs too much is narrowed."""

from collections.abc import Callable, Mapping

from gancompress.cost import Budget, Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import BudgetError
from gancompress.search.evolution import Positions

# Narrowing tries scales in steps of 1/64, so that it costs at most six subnets.
_STEPS = 64


class Candidates:
    """The space of subnets as a grid, with the cost of every one that was asked for.

    Args:
        choices: Widths of each group, ascending.
        budget: What a subnet may cost.
        price: Cost of a subnet, which this class asks for once.
    """

    def __init__(
        self,
        choices: Mapping[str, tuple[int, ...]],
        budget: Budget,
        price: Callable[[SubnetConfig], Cost],
    ) -> None:
        self.keys = tuple(choices)
        self.widths = tuple(choices.values())
        self.sizes = tuple(len(widths) for widths in self.widths)
        self._budget = budget
        self._price = price
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

    def admits(self, positions: Positions) -> bool:
        """Tell whether a subnet is within the budget."""
        return self._budget.admits(self.cost(positions))

    def check_budget(self) -> None:
        """Make sure that at least the narrowest subnet is within the budget.

        Raises:
            BudgetError: If it is not; the message says what it costs.
        """
        cost = self.cost(self.narrowest)
        if not self._budget.admits(cost):
            limits = [
                f"{name} {limit}"
                for name in ("macs", "params")
                if (limit := getattr(self._budget, name)) is not None
            ]
            raise BudgetError(
                f"no subnet meets the budget '{', '.join(limits)}': the smallest one takes "
                f"{cost.macs:,} MACs and {cost.params:,} parameters",
                hint="raise the budget, decompose more layers, or allow narrower widths",
            )

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
