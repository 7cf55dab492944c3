import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from gancompress.gan import FeaturePatchDiscriminator, MultiScaleDiscriminator


def test_every_layer_is_returned_and_the_last_is_a_verdict() -> None:
    net = FeaturePatchDiscriminator(7, width=4, layers=4)
    shapes = [tuple(x.shape) for x in net(torch.zeros(2, 7, 64, 32))]
    assert shapes == [(2, 4, 33, 17), (2, 8, 17, 9), (2, 16, 9, 5), (2, 32, 10, 6), (2, 1, 11, 7)]


def test_no_layer_is_wider_than_512() -> None:
    net = FeaturePatchDiscriminator(3, width=256, layers=4, spectral=False)
    assert [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)] == [
        256,
        512,
        512,
        512,
        1,
    ]


@pytest.mark.parametrize("spectral", [True, False])
def test_spectral_norm_is_on_the_layers_with_a_norm(spectral: bool) -> None:
    net = FeaturePatchDiscriminator(3, width=4, layers=3, spectral=spectral)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [parametrize.is_parametrized(c) for c in convs] == [False, spectral, spectral, False]
    # A norm without weights would take a bias out again.
    assert [c.bias is not None for c in convs] == [True, False, False, True]


def test_without_a_norm_there_are_biases() -> None:
    net = FeaturePatchDiscriminator(3, width=4, layers=3, norm="none")
    assert all(m.bias is not None for m in net.modules() if isinstance(m, nn.Conv2d))


def test_each_scale_sees_half_of_the_one_before_with_weights_of_its_own() -> None:
    net = MultiScaleDiscriminator(3, width=4, layers=3, scales=3).eval()
    seen: list[torch.Tensor] = []
    for scale in net.scales:
        scale.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    outputs = net(torch.ones(1, 3, 32, 32))
    assert [tuple(x.shape[2:]) for x in seen] == [(32, 32), (16, 16), (8, 8)]
    # The border's average is of what is there, not of zeros beside it.
    assert all(torch.equal(x, torch.ones_like(x)) for x in seen)
    assert [len(scale) for scale in outputs] == [4, 4, 4]
    weights = [scale.state_dict()["stages.0.0.weight"] for scale in net.scales]
    assert not torch.equal(weights[0], weights[1])
