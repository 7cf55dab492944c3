"""Parameters and the memory that activations take."""

import torch
from torch import Tensor, nn

from gancompress.cost import Cost, measure_cost

KB = 4 * 256  # a float32 tensor of 256 elements


class Chain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        x = x + 1
        return x + 1


class Keeps(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a = x + 1
        b = a.view(-1)  # a view holds nothing of its own
        c = x + 2
        return c + b.view_as(a)


class Reads(nn.Module):
    """Looks at a value, which the meta device has none of."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if float(x.sum()) > 0 else x + 2 + 3


def test_chained_tensors_are_freed() -> None:
    # While `x + 1` runs, its input and its output are alive.
    assert measure_cost(Chain(), (torch.zeros(256),)).activation_bytes == 2 * KB


def test_views_count_once() -> None:
    assert measure_cost(Keeps(), (torch.zeros(256),)).activation_bytes == 3 * KB


def test_a_module_that_reads_values_runs_where_it_is() -> None:
    assert measure_cost(Reads(), (torch.ones(256),)).activation_bytes == KB


def test_a_shared_parameter_counts_once() -> None:
    layer = nn.Linear(4, 4)
    cost = measure_cost(nn.Sequential(layer, layer), (torch.zeros(1, 4),))
    assert (cost.params, cost.macs) == (20, 32)
    assert cost == Cost(32, 32, 20, cost.activation_bytes)
