from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.errors import AnalysisError
from gancompress.gan import ResNetGenerator
from gancompress.graph import TracedGenerator, trace
from gancompress.passes import Decompose, GraphPass, run_passes


def traced_net(*layers: nn.Module, size: int = 8, channels: int = 3) -> TracedGenerator:
    net = nn.Sequential(*layers).double().eval()
    return trace(net, (torch.randn(2, channels, size, size, dtype=torch.float64),))


def make_rank_one(layer: Any) -> None:
    """Give every kernel of a (transposed) convolution rank 1, per input or output channel."""
    weight = layer.weight.data
    kernels = torch.randn(1, *weight.shape[1:], dtype=weight.dtype)  # of a plain one: per input
    weight.copy_(torch.randn(*weight.shape[:2], 1, 1, dtype=weight.dtype) * kernels)


CONVOLUTIONS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "plain": (nn.Conv2d, {"padding": 1}),
    "without bias": (nn.Conv2d, {"bias": False}),
    "reflected border": (nn.Conv2d, {"padding": 1, "padding_mode": "reflect"}),
    "same": (nn.Conv2d, {"padding": "same", "dilation": 2}),
    "strided": (nn.Conv2d, {"stride": 2, "padding": 1}),
    "transposed": (nn.ConvTranspose2d, {"stride": 2, "padding": 1, "output_padding": 1}),
    "transposed without bias": (nn.ConvTranspose2d, {"stride": 2, "bias": False}),
    "transposed, dilated": (nn.ConvTranspose2d, {"dilation": 2}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_rank_one_kernels_compute_the_same(name: str) -> None:
    torch.manual_seed(0)
    kind, options = CONVOLUTIONS[name]
    layer: Any = kind(3, 5, 3, **options).double()
    make_rank_one(layer)
    traced = traced_net(layer, nn.Tanh())
    x = traced.example_inputs[0]

    result = run_passes(traced, [Decompose(["0"])])

    torch.testing.assert_close(result.module(x), traced.module(x), atol=1e-10, rtol=1e-10)
    middle = 5 if layer.transposed else 3
    parameters = sum(p.numel() for p in result.module.parameters())
    assert parameters == middle * 9 + 3 * 5 + (0 if layer.bias is None else 5)
    targets = [str(n.target) for n in result.module.graph.nodes if n.op == "call_module"]
    halves = ["0.depthwise", "0.pointwise"]
    assert targets == [*(reversed(halves) if layer.transposed else halves), "1"]


def test_a_norm_between_is_non_affine_and_in_the_middle() -> None:
    traced = traced_net(nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(5, 3, 3))
    result = Decompose(["0", "1"], norm_between=True).apply(traced)
    assert [str(n.target) for n in result.module.graph.nodes if n.op == "call_module"] == [
        "0.depthwise", "0.norm", "0.pointwise", "1.pointwise", "1.norm", "1.depthwise",
    ]  # fmt: skip
    assert isinstance(result.module.get_submodule("0.norm"), nn.InstanceNorm2d)
    assert not list(result.module.get_submodule("0.norm").parameters())
    assert result.module(traced.example_inputs[0]).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("name", ["plain", "without bias", "transposed"])
def test_a_depthwise_bias_starts_at_zero_and_only_where_there_was_a_bias(name: str) -> None:
    torch.manual_seed(0)
    kind, options = CONVOLUTIONS[name]
    layer: Any = kind(3, 5, 3, **options).double()
    make_rank_one(layer)
    traced = traced_net(layer)
    result = Decompose(["0"], depthwise_bias=True).apply(traced).module
    x = traced.example_inputs[0]
    torch.testing.assert_close(result(x), traced.module(x), atol=1e-10, rtol=1e-10)
    biases = {name: len(p) for name, p in result.named_parameters() if name.endswith("bias")}
    assert (
        biases
        == {
            "plain": {"0.depthwise.bias": 3, "0.pointwise.bias": 5},
            "without bias": {},
            "transposed": {"0.depthwise.bias": 5},
        }[name]
    )


def test_residual_blocks_of_a_generator() -> None:
    traced = trace(ResNetGenerator(width=4, blocks=2).eval(), (torch.zeros(1, 3, 16, 16),))
    before = sum(p.numel() for p in traced.module.parameters())
    result = Decompose("resblocks").apply(traced)
    after = sum(p.numel() for p in result.module.parameters())
    assert before - after == 4 * (16 * 16 * 9 - 16 * 9 - 16 * 16)
    assert isinstance(result.module.get_submodule("model.10.conv_block.1"), nn.Sequential)
    assert result.fingerprint != traced.fingerprint
    assert sum(p.numel() for p in traced.module.parameters()) == before


def test_none_changes_nothing() -> None:
    traced = traced_net(nn.Conv2d(3, 5, 3))
    assert Decompose("none").apply(traced) is traced
    assert run_passes(traced, []) is traced


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 3, 3, stride=2, padding=1)
        self.frozen = nn.Conv2d(3, 3, 3, padding=1).requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.frozen(input=self.frozen(x))
        result: Tensor = self.up(x, output_size=[16, 16])
        return result


def test_calls_keep_their_arguments_and_weights_stay_shared_and_frozen() -> None:
    traced = trace(Shared().train(), (torch.zeros(1, 3, 8, 8),))
    result = Decompose(["up", "frozen", "up"]).apply(traced)
    assert result.module(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 16, 16)
    assert len([n for n in result.module.graph.nodes if n.target == "frozen.depthwise"]) == 2
    assert not any(p.requires_grad for p in result.module.get_submodule("frozen").parameters())
    assert result.module.get_submodule("frozen.pointwise").training


class OwnConvolution(nn.Conv2d):
    pass


OBSTACLES: dict[str, tuple[nn.Module, str]] = {
    "depthwise": (nn.Conv2d(3, 3, 3, groups=3), "depthwise already"),
    "pointwise": (nn.Conv2d(3, 6, 1), "1×1"),
    "norm": (nn.InstanceNorm2d(3), "no convolution"),
    "computed": (nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3)), "computed"),
    "subclass": (OwnConvolution(3, 6, 3), "own class"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_cannot_be_decomposed_says_why(name: str) -> None:
    layer, reason = OBSTACLES[name]
    with pytest.raises(AnalysisError, match=reason) as caught:
        Decompose(["0"]).apply(traced_net(layer))
    assert "'0'" in caught.value.message
    assert caught.value.hint


def test_a_misspelt_layer_is_named_with_those_spelt_alike() -> None:
    traced = trace(ResNetGenerator(width=4, blocks=1).eval(), (torch.zeros(1, 3, 16, 16),))
    with pytest.raises(AnalysisError, match=r"model\.10\.conv_blok\.1") as caught:
        Decompose(["model.10.conv_blok.1"]).apply(traced)
    assert "'model.10.conv_block.1'" in caught.value.hint
    with pytest.raises(AnalysisError) as caught:
        Decompose(["zzz"]).apply(traced)
    assert "inspect" in caught.value.hint


def test_an_unknown_selection_is_refused() -> None:
    with pytest.raises(AnalysisError, match="everything"):
        Decompose("everything").apply(traced_net(nn.Conv2d(3, 3, 3)))


def test_passes_have_names() -> None:
    assert issubclass(Decompose, GraphPass)
    assert Decompose.name == "decompose"
