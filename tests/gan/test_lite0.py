import torch

from gancompress.gan import Lite0
from gancompress.gan.lite0 import _same_padding, _SameConv2d


def test_maps_shrink_as_the_network_goes_down_and_pass_gradients_on() -> None:
    picture = torch.zeros(1, 3, 64, 48, requires_grad=True)
    maps = list(Lite0(block=4).maps(picture))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (16, 32, 24),
        (24, 16, 12),
        (24, 16, 12),
        (40, 8, 6),
        (40, 8, 6),
    ]
    maps[-1].sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


def test_padding_is_tensorflows() -> None:
    assert _same_padding(64, 3, 2) == (0, 1)  # the odd position at the end
    assert _same_padding(65, 3, 2) == (1, 1)
    assert _same_padding(64, 5, 1) == (2, 2)
    assert _same_padding(1, 1, 2) == (0, 0)
    assert _SameConv2d(1, 1, 5, 2)(torch.zeros(1, 1, 7, 10)).shape == (1, 1, 4, 5)


def test_height_and_width_are_not_swapped() -> None:
    conv = _SameConv2d(1, 1, 3, 2)
    torch.nn.init.ones_(conv.weight)
    # height 4 pads only below, width 5 pads on both sides
    out = conv(torch.ones(1, 1, 4, 5))
    assert out[0, 0].tolist() == [[6, 9, 6], [4, 6, 4]]
