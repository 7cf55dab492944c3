"""MACs in both conventions, against figures that were worked out by hand or published."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancompress.cost import measure_cost
from gancompress.cost.macs import count_macs


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for last in (False, True):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
            layers += [] if last else [nn.ReLU(inplace=True)]
        self.inside = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.inside(x)
        return result


def resnet_9(width: int = 64) -> nn.Sequential:
    """CycleGAN's generator (arXiv 1703.10593, appendix), written from the paper."""

    def normed(layer: nn.Module, channels: int) -> list[nn.Module]:
        return [layer, nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]

    def up(channels: int) -> nn.Module:
        return nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, output_padding=1)

    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *normed(nn.Conv2d(3, width, 7), width),
        *normed(nn.Conv2d(width, 2 * width, 3, 2, 1), 2 * width),
        *normed(nn.Conv2d(2 * width, 4 * width, 3, 2, 1), 4 * width),
        *(Block(4 * width) for _ in range(9)),
        *normed(up(4 * width), 2 * width),
        *normed(up(2 * width), width),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, 3, 7),
        nn.Tanh(),
    )


def test_resnet_9_meets_the_published_table_to_the_last_digit() -> None:
    net = resnet_9()
    picture = torch.zeros(1, 3, 256, 256)
    cost = measure_cost(net, (picture,))
    assert cost.params == 11_378_179
    assert cost.macs == 49_551_507_456
    assert cost.macs_published == 56_831_770_624
    # Without the instance norms: convolutions alone, transposed ones by output positions.
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.InstanceNorm2d):
            net.set_submodule(name, nn.Identity())
    assert count_macs(net, (picture,)).published == 56_799_264_768


class Attention(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


class Lambda(nn.Module):
    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: object, **kwargs: object) -> object:
        return self.function(*args, **kwargs)  # type: ignore[operator]


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


@pytest.mark.parametrize(
    ("module", "inputs", "true", "published"),
    [
        pytest.param(nn.Conv2d(4, 6, 3), (ones(2, 4, 8, 8),), 2 * 36 * 216, None, id="conv"),
        pytest.param(nn.Conv2d(4, 6, 3), (ones(4, 8, 8),), 36 * 216, None, id="unbatched"),
        pytest.param(
            nn.Conv2d(4, 8, 3, groups=2, padding="same"),
            (ones(1, 4, 8, 8),),
            64 * 8 * 2 * 9,
            None,
            id="named padding",
        ),
        pytest.param(
            nn.Conv2d(4, 4, 3, groups=4, padding=1), (ones(1, 4, 8, 8),), 64 * 36, None, id="depth"
        ),
        pytest.param(nn.Conv1d(4, 6, 3), (ones(2, 4, 8),), 2 * 6 * 72, None, id="conv 1d"),
        pytest.param(
            nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2),
            (ones(1, 4, 8, 8),),
            64 * 4 * 3 * 16,
            256 * 6 * 2 * 16,
            id="transposed",
        ),
        pytest.param(nn.Linear(5, 7), (ones(2, 3, 5),), 2 * 3 * 35, None, id="linear"),
        pytest.param(Lambda(torch.matmul), (ones(2, 3, 4), ones(4, 5)), 120, None, id="matmul"),
        pytest.param(Lambda(torch.bmm), (ones(2, 3, 4), ones(2, 4, 5)), 120, None, id="bmm"),
        pytest.param(Lambda(torch.mm), (ones(3, 4), ones(4, 5)), 60, None, id="mm"),
        pytest.param(Lambda(torch.mv), (ones(3, 4), ones(4)), 12, None, id="mv"),
        pytest.param(Lambda(torch.dot), (ones(4), ones(4)), 4, None, id="dot"),
        pytest.param(
            Lambda(torch.addmm), (ones(3, 5), ones(3, 4), ones(4, 5)), 60, None, id="addmm"
        ),
        pytest.param(
            Lambda(torch.baddbmm),
            (ones(2, 3, 5), ones(2, 3, 4), ones(2, 4, 5)),
            120,
            None,
            id="baddbmm",
        ),
        pytest.param(
            Lambda(lambda a, b: torch.einsum("b c i, b c j -> b i j", a, b)),
            (ones(2, 3, 4), ones(2, 3, 5)),
            120,
            None,
            id="einsum",
        ),
        pytest.param(
            Lambda(lambda a, b: torch.einsum("...ij,jk->...ik", a, b)),
            (ones(2, 7, 3, 4), ones(4, 5)),
            14 * 60,
            None,
            id="einsum with dots",
        ),
        pytest.param(
            Lambda(lambda a: torch.einsum("ij->ji", a)), (ones(3, 4),), 0, None, id="transpose"
        ),
        pytest.param(
            Attention(),
            (ones(2, 3, 4), ones(2, 5, 4), ones(2, 5, 6)),
            2 * 3 * 5 * (4 + 6),
            None,
            id="attention",
        ),
        pytest.param(
            nn.MultiheadAttention(4, 2, batch_first=True),
            (ones(2, 3, 4),) * 3,
            4 * 2 * 3 * 16 + 2 * (2 * 3 * 3 * 4),
            None,
            id="multi-head",
        ),
        pytest.param(nn.InstanceNorm2d(3), (ones(2, 3, 4, 4),), 0, 96, id="instance norm"),
        pytest.param(nn.BatchNorm2d(3), (ones(2, 3, 4, 4),), 0, 0, id="batch norm"),
        pytest.param(nn.GroupNorm(1, 3), (ones(2, 3, 4, 4),), 0, 0, id="group norm"),
        pytest.param(nn.ReLU(), (ones(2, 3),), 0, 0, id="relu"),
        pytest.param(nn.Upsample(scale_factor=2.0), (ones(1, 2, 3, 3),), 0, 0, id="upsample"),
        pytest.param(Lambda(lambda a: a * a.shape[0] * 2), (ones(2, 3),), 0, 12, id="mul"),
        pytest.param(nn.AdaptiveAvgPool2d(2), (ones(1, 3, 4, 4),), 0, 12, id="pool"),
    ],
)
def test_each_operator(
    module: nn.Module, inputs: tuple[Tensor, ...], true: int, published: int | None
) -> None:
    macs = count_macs(module, inputs)
    assert macs.true == true
    if published is not None:
        assert macs.published == published


def test_nested_inputs_plain_values_and_nested_outputs() -> None:
    layer = nn.Linear(4, 4)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(
            self, pair: dict[str, Tensor], twice: bool, *, extra: Tensor | None, scale: float
        ) -> dict[str, object]:
            y = self.layer(pair["a"] + pair["b"]) * scale
            assert extra is None
            return {"y": [self.layer(y) if twice else y, None]}

    pair = {"a": ones(2, 4), "b": ones(2, 4)}
    kwargs = {"extra": None, "scale": 2.0}
    assert count_macs(Net(), (pair, True), kwargs).true == 64
    assert measure_cost(Net(), (pair, False), kwargs).macs == 32


def test_counting_changes_nothing() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    fast = torch.backends.mha.get_fastpath_enabled()
    measure_cost(net, (torch.randn(2, 3, 8, 8),))
    assert net.training
    assert all(module.training for module in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_an_error_of_the_module_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="channels"):
        measure_cost(nn.Conv2d(3, 4, 3), (torch.zeros(1, 5, 8, 8),))
