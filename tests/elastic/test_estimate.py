"""The MACs of a subnet, predicted."""

import random

import torch
from torch import Tensor, nn

from gancompress.cost import measure_cost
from gancompress.elastic import MacEstimate, SearchSpace, Supernet
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace
from gancompress.passes import Decompose, run_passes

EXAMPLE = (torch.zeros(1, 3, 32, 32),)


def test_the_estimate_of_convolutions_is_exact() -> None:
    x = torch.zeros(1, 3, 16, 16)
    traced = trace(ResNetGenerator(width=16, blocks=2).eval(), (x,))
    supernet = Supernet(run_passes(traced, [Decompose("resblocks")]))
    estimate, rng = MacEstimate(supernet), random.Random(0)  # noqa: S311
    space = supernet.space
    for config in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(4))):
        assert estimate(config) == measure_cost(supernet.materialise(config), (x,)).macs


class Mixed(nn.Module):
    """A linear layer over channels, a frozen one, and a product of two maps."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 3, 1)
        self.mix = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.mix(self.enter(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.leave(rows) @ x


def test_linear_layers_count_and_products_of_maps_do_not() -> None:
    traced = trace(Mixed().eval(), EXAMPLE)
    supernet = Supernet(traced, SearchSpace.multiples_of(4, smallest=0.5))
    product = 3 * 32**3
    for subnet in (supernet.space.smallest(), supernet.space.largest()):
        counted = measure_cost(supernet.materialise(subnet), EXAMPLE).macs
        assert MacEstimate(supernet)(subnet) == counted - product
