import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gancompress.elastic import ElasticModule
from gancompress.graph import Member

IN = np.arange(8)  # units 0 to 7 enter, 8 to 13 leave
OUT = np.arange(8, 14)
NONE = np.full(3, -1)
ACTIVE = np.ones(14, dtype=bool)
ACTIVE[[6, 7, 12, 13]] = False  # prefixes of 6 and of 4
SCATTERED = np.ones(14, dtype=bool)
SCATTERED[[0, 3, 9]] = False


def member(base: nn.Module, axes: dict[str, Any], outputs: Any = IN) -> Member:
    return Member(
        module="layer", kind="any", axes=axes, inputs=IN, outputs=outputs,
        depthwise=getattr(base, "groups", 1) == 8,
    )  # fmt: skip


def conv(base: nn.Module) -> Member:
    kernel = (None,) * (base.weight.ndim - 2)
    return member(base, {"weight": (OUT, IN, *kernel), "bias": (OUT,)}, OUT)


def transposed(base: nn.Module) -> Member:
    kernel = (None,) * (base.weight.ndim - 2)
    return member(base, {"weight": (IN, OUT, *kernel), "bias": (OUT,)}, OUT)


def depthwise(base: nn.Module) -> Member:
    kernel = (None,) * (base.weight.ndim - 1)
    return member(base, {"weight": (IN, *kernel), "bias": (IN,)})


def norm(base: nn.Module) -> Member:
    tensors = [*base.named_parameters(), *base.named_buffers()]
    return member(base, {name: (IN,) for name, t in tensors if t.ndim == 1})


HALVES = np.repeat([0, 1, 6, 7], 2)  # units of two channels each, for a norm of four groups


def group_norm(base: nn.Module) -> Member:
    axes = {name: (HALVES,) for name, _ in base.named_parameters()}
    return Member(
        module="layer", kind="norm", axes=axes, inputs=HALVES, outputs=HALVES, depthwise=False
    )


LAYERS: dict[str, tuple[nn.Module, Any, tuple[int, ...]]] = {
    "Conv1d": (nn.Conv1d(8, 6, 3), conv, (2, 8, 9)),
    "Conv2d": (nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect"), conv, (2, 8, 5, 5)),
    "Conv3d": (nn.Conv3d(8, 6, 2, bias=False), conv, (2, 8, 3, 3, 3)),
    "ConvTranspose1d": (nn.ConvTranspose1d(8, 6, 3, stride=2), transposed, (2, 8, 4)),
    "ConvTranspose2d": (nn.ConvTranspose2d(8, 6, 3, stride=2), transposed, (2, 8, 4, 4)),
    "ConvTranspose3d": (nn.ConvTranspose3d(8, 6, 2), transposed, (2, 8, 2, 2, 2)),
    "depthwise": (nn.Conv2d(8, 8, 3, groups=8), depthwise, (2, 8, 5, 5)),
    "depthwise transposed": (
        nn.ConvTranspose2d(8, 8, 3, groups=8), depthwise, (2, 8, 5, 5),
    ),
    "Linear": (nn.Linear(8, 6), conv, (3, 8)),
    "InstanceNorm2d": (nn.InstanceNorm2d(8), norm, (2, 8, 4, 4)),
    "InstanceNorm2d, affine, tracking": (
        nn.InstanceNorm2d(8, affine=True, track_running_stats=True), norm, (2, 8, 4, 4),
    ),
    "BatchNorm2d": (nn.BatchNorm2d(8), norm, (2, 8, 4, 4)),
    "GroupNorm": (nn.GroupNorm(4, 8), group_norm, (2, 8, 4, 4)),
    "GroupNorm, not affine": (nn.GroupNorm(4, 8, affine=False), group_norm, (2, 8, 4, 4)),
    "GroupNorm of all": (nn.GroupNorm(1, 8), norm, (2, 8, 4, 4)),
    "LayerNorm": (nn.LayerNorm(8), norm, (2, 5, 8)),
    "LayerNorm, not affine": (nn.LayerNorm(8, elementwise_affine=False), norm, (2, 5, 8)),
    "PReLU": (nn.PReLU(8), norm, (2, 8, 4, 4)),
}  # fmt: skip


def narrow(x: Tensor, ids: Any, active: Any) -> Tensor:
    axis = -1 if x.ndim < 4 and x.shape[1] != 8 else 1
    return x.index_select(axis, torch.from_numpy(np.flatnonzero(active[ids])))


@pytest.mark.parametrize("mode", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("active", [ACTIVE, SCATTERED], ids=["prefix", "scattered"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_static_layer_computes_bit_for_bit_what_the_elastic_one_does(
    name: str, active: Any, mode: bool
) -> None:
    torch.manual_seed(0)
    base, describe, shape = LAYERS[name]
    base = copy.deepcopy(base).train(mode)
    for parameter in base.parameters():
        nn.init.normal_(parameter)
    about = describe(base)
    elastic = ElasticModule(base, about)
    x = narrow(torch.randn(shape), about.inputs, active)

    elastic.activate(active)
    static = elastic.to_static()
    result = elastic(x)

    assert torch.equal(static(x), result)
    assert type(static) is type(base)
    assert static.training is mode
    assert not elastic.is_full
    with torch.no_grad():
        expected = [narrow_tensor(t, about.axes.get(n), active) for n, t in tensors_of(base)]
    found = [t for _, t in tensors_of(static)]
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert static.state_dict().keys() == base.state_dict().keys()
    assert static.extra_repr() != base.extra_repr()


def tensors_of(layer: nn.Module) -> list[tuple[str, Tensor]]:
    return [*layer.named_parameters(), *layer.named_buffers()]


def narrow_tensor(tensor: Tensor, axes: Any, active: Any) -> Tensor:
    for axis, ids in enumerate(axes or ()):
        if ids is not None:
            tensor = tensor.index_select(axis, torch.from_numpy(np.flatnonzero(active[ids])))
    return tensor


def test_gradients_reach_only_the_active_slices() -> None:
    base = nn.Conv2d(8, 6, 3)
    elastic = ElasticModule(base, conv(base))
    elastic.activate(ACTIVE)
    elastic(torch.randn(1, 6, 3, 3)).sum().backward()
    assert base.weight.grad is not None
    reached = base.weight.grad.abs().sum((2, 3)) > 0
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[:4, :6] = True
    assert torch.equal(reached, expected)
    assert base.bias is not None
    assert base.bias.grad is not None
    assert (base.bias.grad > 0).tolist() == [True] * 4 + [False] * 2
    copy.deepcopy(elastic)  # holds nothing that cannot be copied


@pytest.mark.parametrize("active", [ACTIVE, SCATTERED], ids=["prefix", "scattered"])
def test_training_updates_the_statistics_of_active_channels_only(active: Any) -> None:
    base = nn.BatchNorm2d(8).train()
    elastic = ElasticModule(base, norm(base))
    elastic.activate(active)
    count = int(active[IN].sum())
    elastic(torch.randn(4, count, 3, 3) + 5)
    assert base.running_mean is not None
    assert base.running_var is not None
    assert ((base.running_mean > 0.1) == torch.from_numpy(active[IN])).all()
    assert ((base.running_var == 1) == torch.from_numpy(~active[IN])).all()
    assert base.num_batches_tracked is not None
    assert int(base.num_batches_tracked) == 1


def test_at_full_width_the_layer_itself_is_called() -> None:
    base = nn.Conv2d(8, 6, 3)
    elastic = ElasticModule(base, conv(base))
    seen: list[nn.Module] = []
    base.register_forward_hook(lambda layer, *_: seen.append(layer))
    elastic.activate(np.ones(14, dtype=bool))
    elastic(torch.randn(1, 8, 3, 3))
    assert elastic.is_full
    assert seen == [base]
    static = elastic.to_static()
    assert static is not base
    assert torch.equal(static.weight, base.weight)
    assert list(elastic.state_dict()) == ["base.weight", "base.bias"]


def test_a_layer_of_unknown_class_works_from_its_tensors() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.randn(8))
            self.register_buffer("shift", torch.randn(8), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            return x * self.gain + self.shift

    base = Scale()
    elastic = ElasticModule(base, member(base, {"gain": (IN,), "shift": (IN,)}))
    elastic.activate(SCATTERED)
    x = torch.randn(2, 6)
    static = elastic.to_static()
    assert torch.equal(static(x), elastic(x))
    assert list(static.state_dict()) == ["gain"]


@pytest.mark.parametrize("active", [ACTIVE, SCATTERED], ids=["prefix", "scattered"])
@pytest.mark.parametrize(
    ("base", "layout"),
    [
        (nn.Conv2d(8, 6, 3), torch.channels_last),
        (nn.Conv3d(8, 6, 3), torch.channels_last_3d),
        (nn.Conv3d(8, 6, 3), torch.contiguous_format),
    ],
)
def test_memory_format_and_requires_grad_are_kept(
    base: nn.Module, layout: torch.memory_format, active: Any
) -> None:
    base = copy.deepcopy(base).to(memory_format=layout).requires_grad_(requires_grad=False)
    elastic = ElasticModule(base, conv(base))
    elastic.activate(active)
    static = elastic.to_static()
    assert static.weight.is_contiguous(memory_format=layout)
    assert static.weight.is_contiguous() is (layout is torch.contiguous_format)
    assert not static.weight.requires_grad


def step(base: nn.Module) -> None:
    optimiser = torch.optim.SGD(base.parameters(), lr=1.0)
    for parameter in base.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()


def load(base: nn.Module, *, assign: bool) -> None:
    state = {name: torch.randn_like(value) for name, value in base.state_dict().items()}
    base.load_state_dict(state, assign=assign)


def add(base: nn.Module) -> None:
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.add_(1)


def add_past_the_version_counter(base: nn.Module) -> None:
    for parameter in base.parameters():
        parameter.data.add_(1)


def replace(base: nn.Module) -> None:
    base.weight = nn.Parameter(torch.randn_like(base.weight))


EDITS = {
    "optimiser": step,
    "load_state_dict": lambda base: load(base, assign=False),
    "load_state_dict, assigned": lambda base: load(base, assign=True),
    "in place": add,
    "in place through .data": add_past_the_version_counter,
    "replaced": replace,
}


@pytest.mark.parametrize("active", [ACTIVE, SCATTERED], ids=["prefix", "scattered"])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_of_the_weights_is_seen_by_the_next_call(edit: Any, active: Any) -> None:
    torch.manual_seed(0)
    base = nn.Conv2d(8, 6, 3)
    elastic = ElasticModule(base, conv(base))
    elastic.activate(active)
    x = narrow(torch.randn(1, 8, 4, 4), IN, active)
    with torch.no_grad():
        before = elastic(x)
    edit(base)
    with torch.no_grad():
        after = elastic(x)
    assert torch.equal(after, elastic.to_static()(x))
    assert not torch.equal(after, before)


@pytest.mark.parametrize("active", [ACTIVE, SCATTERED], ids=["prefix", "scattered"])
def test_what_is_not_trained_now_can_be_trained_later(active: Any) -> None:
    base = nn.Conv2d(8, 6, 3)
    elastic = ElasticModule(base, conv(base))
    elastic.activate(active)
    x = narrow(torch.randn(1, 8, 4, 4), IN, active)
    with torch.inference_mode():
        elastic(x)
    elastic(x).sum().backward()
    assert base.weight.grad is not None


def test_tied_parameters_stay_tied_when_they_are_sliced_alike() -> None:
    left, right, other = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(8, 6)
    right.weight = left.weight
    layers = [ElasticModule(base, conv(base)) for base in (left, right, other)]
    ties: dict[Any, nn.Parameter] = {}
    for layer in layers:
        layer.activate(ACTIVE)
    a, b, c = (layer.to_static(ties) for layer in layers)
    assert a.weight is b.weight
    assert a.weight is not c.weight
    assert a.bias is not b.bias
