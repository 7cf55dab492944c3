"""What a network costs: MACs in two conventions, parameters, memory and latency; and budgets."""

from gancompress.cost.budget import QUANTITIES, Budget, quantity
from gancompress.cost.latency import (
    Latency,
    measure_latency_against,
    measure_latency_in_turns,
)
from gancompress.cost.measure import Cost, measure_cost

__all__ = [
    "QUANTITIES",
    "Budget",
    "Cost",
    "Latency",
    "measure_cost",
    "measure_latency_against",
    "measure_latency_in_turns",
    "quantity",
]
