"""Subnets are scored fast, and as they are."""

import copy

import torch
from torch import nn

from gancompress.compress.scoring import quickened
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace


def test_what_is_made_faster_draws_the_same() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 32, 32)
    net = trace(ResNetGenerator(width=8, blocks=2, norm="instance").eval(), (x,)).module
    fast = quickened(copy.deepcopy(net))
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in fast.modules())
    with torch.no_grad():
        assert (fast(x) - net(x)).abs().max() < 1e-5


def test_scales_are_kept_and_running_statistics_left_alone() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 8, 8)
    scaled = nn.Sequential(nn.InstanceNorm2d(4, affine=True, eps=0.1))
    nn.init.normal_(scaled[0].weight)
    nn.init.normal_(scaled[0].bias)
    expected = scaled(x)
    assert torch.allclose(quickened(scaled)(x), expected, atol=1e-6)
    running = nn.Sequential(nn.InstanceNorm2d(4, track_running_stats=True)).eval()
    assert quickened(running)[0] is running[0]
