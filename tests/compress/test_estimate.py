"""MACs in no time, and the time on a target."""

import random

import torch

from gancompress.compress.estimate import MacEstimate
from gancompress.cost import measure_cost
from gancompress.elastic import Supernet
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace
from gancompress.passes import Decompose, run_passes


def test_the_estimate_of_convolutions_is_exact() -> None:
    x = torch.zeros(1, 3, 16, 16)
    traced = trace(ResNetGenerator(width=16, blocks=2).eval(), (x,))
    supernet = Supernet(run_passes(traced, [Decompose("resblocks")]))
    estimate, rng = MacEstimate(supernet), random.Random(0)  # noqa: S311
    space = supernet.space
    for config in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(4))):
        assert estimate(config) == measure_cost(supernet.materialise(config), (x,)).macs
