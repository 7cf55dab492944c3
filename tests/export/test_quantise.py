"""Which layers stay in float32."""

import pytest
import torch
from torch import nn

from gancompress.export.quantise import by_harm, fewest_kept, rounded


def test_rounding_keeps_zero_and_the_range() -> None:
    x = torch.tensor([-0.5, 0.0, 0.251, 1.0])
    assert rounded(x)[1] == pytest.approx(0, abs=0.003)
    assert float((rounded(x) - x).abs().max()) <= 1.5 / 255 / 2 + 1e-6
    assert torch.equal(rounded(torch.zeros(3)), torch.zeros(3))


def test_the_most_harmful_layer_comes_first() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.ConvTranspose2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Tanh()
    )
    # Two nearly equal large channels, whose difference is what counts.
    net[2].weight.data = torch.tensor([[300.0, -300, 0], [0, 1, 0], [0, 0, 1]])[..., None, None]  # type: ignore[union-attr]
    net[1].weight.data = torch.tensor([[1.0, 1, 0], [0, 0.001, 0], [0, 0, 1]])[..., None, None]  # type: ignore[union-attr]
    before = {name: x.clone() for name, x in net.state_dict().items()}
    order = by_harm(net, [(torch.rand(2, 3, 8, 8),)])
    assert order[0] == "2"
    assert set(order) == {"0", "1", "2"}
    assert all(torch.equal(before[name], x) for name, x in net.state_dict().items())


@pytest.mark.parametrize("needed", [0, 1, 3, 7])
def test_as_few_as_will_do(needed: int) -> None:
    order = [str(k) for k in range(8)]
    asked = []

    def good(kept: tuple[str, ...]) -> bool:
        asked.append(kept)
        return len(kept) >= needed

    assert fewest_kept(order, good) == tuple(order[:needed])
    assert len(asked) <= 6


def test_where_none_will_do() -> None:
    assert fewest_kept(["a", "b"], lambda _kept: False) is None
    assert fewest_kept(["a"], bool) is None
    assert fewest_kept([], lambda _kept: False) is None
