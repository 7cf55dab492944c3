"""The moving average keeps what must not be averaged."""

import torch
from torch import nn

from gancompress.distill.average import MovingAverage


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)
    )


def test_weights_and_statistics_are_averaged_and_singular_vectors_are_the_live_ones() -> None:
    live = net()
    average = MovingAverage(live, 0.9)
    average.update_parameters(live)  # the first one copies
    start = {name: value.clone() for name, value in live.state_dict().items()}
    with torch.no_grad():
        for value in live.state_dict().values():
            value.add_(1)
    average.update_parameters(live)
    vectors = 0
    for name, value in average.module.state_dict().items():
        if name.endswith(("_u", "_v", "num_batches_tracked")):
            torch.testing.assert_close(value, start[name] + 1)
            vectors += name.endswith(("_u", "_v"))
        else:
            torch.testing.assert_close(value, start[name] + 0.1)
    assert vectors == 2


def test_the_average_of_a_net_that_stands_still_draws_the_same() -> None:
    live = net().train()
    average = MovingAverage(live, 0.9)
    x = torch.rand(2, 3, 8, 8)
    for _ in range(20):
        live(x)  # power iterations turn the singular vectors, the weights stay
        average.update_parameters(live)
    live.eval()
    average.eval()
    conv, averaged = live[0], average.module[0]
    torch.testing.assert_close(averaged(x), conv(x))
