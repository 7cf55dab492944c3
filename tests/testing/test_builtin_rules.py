"""Every built-in rule keeps the contract that plugin authors test theirs with."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.graph.rules import builtin_rules
from gancompress.testing import OpRuleContract, RuleSubject

RULES = {type(rule).__name__: rule for rule in builtin_rules()}
PICTURE = torch.zeros(1, 3, 8, 8)
TOKENS = torch.zeros(1, 5, 6)


class Net(nn.Module):
    """Layers, and a function of them and the input."""

    def __init__(
        self, function: Callable[[Any, Tensor], Any], **layers: nn.Module | nn.Parameter
    ) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def after(function: Callable[[Tensor], Tensor], channels: int = 8) -> Net:
    """conv a (3 → 8) · function · conv o (channels → 3)."""
    return Net(lambda m, x: m.o(function(m.a(x))), a=conv(3, 8), o=conv(channels, 3))


def between(layer: nn.Module, channels: int = 8) -> Net:
    """conv a (3 → 8) · layer · conv o (channels → 3)."""
    return Net(lambda m, x: m.o(m.b(m.a(x))), a=conv(3, 8), b=layer, o=conv(channels, 3))


def tokens(layer: nn.Module) -> Net:
    """linear a (6 → 8) · layer · linear o (8 → 3)."""
    return Net(lambda m, x: m.o(m.b(m.a(x))), a=nn.Linear(6, 8), b=layer, o=nn.Linear(8, 3))


def three(mix: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Net:
    """Queries, keys and values (6 → 8, 8 and 4), mixed, and linear o (4 → 3)."""
    return Net(
        lambda m, x: m.o(mix(m.q(x), m.k(x), m.v(x))),
        q=nn.Linear(6, 8),
        k=nn.Linear(6, 8),
        v=nn.Linear(6, 4),
        o=nn.Linear(4, 3),
    )


def gated(y: Tensor) -> Tensor:
    left, right = y.chunk(2, 1)
    return left * torch.sigmoid(right)


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.einsum("bnm,bmc->bnc", torch.einsum("bnc,bmc->bnm", q, k), v)


NETS: dict[str, tuple[nn.Module, Tensor]] = {
    "ConvRule": (between(conv(8, 6), 6), PICTURE),
    "LinearRule": (tokens(nn.Linear(8, 8)), TOKENS),
    "EmbeddingRule": (
        Net(lambda m, x: m.o(m.e(x)), e=nn.Embedding(4, 8), o=nn.Linear(8, 3)),
        torch.tensor([[0, 1, 3]]),
    ),
    "ChannelNormRule": (between(nn.BatchNorm2d(8)), PICTURE),
    "GroupNormRule": (between(nn.GroupNorm(4, 8)), PICTURE),
    "LayerNormRule": (tokens(nn.LayerNorm(8)), TOKENS),
    "PReLURule": (between(nn.PReLU(8)), PICTURE),
    "SoftmaxRule": (after(lambda y: torch.softmax(y, 1)), PICTURE),
    "ElementwiseRule": (after(F.relu), PICTURE),
    "SpatialRule": (between(nn.MaxPool2d(2)), PICTURE),
    "PadRule": (after(lambda y: F.pad(y, (1, 0, 2, 1))), PICTURE),
    "CreateRule": (after(lambda y: y + y.new_zeros(1, 1, 8, 8)), PICTURE),
    "ReduceRule": (after(lambda y: y.mean((2, 3), keepdim=True)), PICTURE),
    "CombineRule": (
        Net(lambda m, x: m.o(m.a(x) * m.b(x)), a=conv(3, 8), b=conv(3, 8), o=conv(8, 3)),
        PICTURE,
    ),
    "MatmulRule": (three(lambda q, k, v: (q @ k.mT) @ v), TOKENS),
    "EinsumRule": (three(by_einsum), TOKENS),
    "AttentionRule": (three(F.scaled_dot_product_attention), TOKENS),
    "TupleRule": (after(gated, 4), PICTURE),
    "IndexRule": (after(lambda y: y[:, :, ::2, 1:]), PICTURE),
    "SplitRule": (after(gated, 4), PICTURE),
    "UnbindRule": (after(lambda y: torch.stack(y.unbind(2), 2)), PICTURE),
    "ReshapeRule": (after(lambda y: y.flatten(2).unflatten(2, (4, 16))), PICTURE),
    "PixelShuffleRule": (between(nn.PixelShuffle(2), 2), PICTURE),
    "PixelUnshuffleRule": (between(nn.PixelUnshuffle(2), 32), PICTURE),
    "ChannelShuffleRule": (between(nn.ChannelShuffle(2)), PICTURE),
    "ViewRule": (after(lambda y: y.permute(0, 2, 3, 1).transpose(1, 3).transpose(2, 3)), PICTURE),
    "CatRule": (
        Net(
            lambda m, x: m.o(torch.cat([m.a(x), m.b(x)], 1)),
            a=conv(3, 8),
            b=conv(3, 4),
            o=conv(12, 3),
        ),
        PICTURE,
    ),
    "RepeatRule": (after(lambda y: y.repeat(1, 2, 1, 1), 16), PICTURE),
    "ExpandRule": (
        after(lambda y: y * y.mean((2, 3), keepdim=True).expand(-1, 8, -1, -1)),
        PICTURE,
    ),
    "GLURule": (after(lambda y: F.glu(y, 1), 4), PICTURE),
    "FunctionalConvRule": (
        Net(
            lambda m, x: m.o(F.conv2d(m.a(x), m.w, padding=1)),
            a=conv(3, 8),
            w=nn.Parameter(torch.ones(6, 8, 3, 3)),
            o=conv(6, 3),
        ),
        PICTURE,
    ),
    "FunctionalLinearRule": (
        Net(
            lambda m, x: m.o(F.linear(m.a(x), m.w)),
            a=nn.Linear(6, 8),
            w=nn.Parameter(torch.ones(4, 8)),
            o=nn.Linear(4, 3),
        ),
        TOKENS,
    ),
    "FunctionalNormRule": (
        Net(
            lambda m, x: m.o(F.layer_norm(m.a(x), (8,), m.w)),
            a=nn.Linear(6, 8),
            w=nn.Parameter(torch.ones(8)),
            o=nn.Linear(8, 3),
        ),
        TOKENS,
    ),
    "RollRule": (after(lambda y: torch.roll(y, 2, 3)), PICTURE),
}


def test_every_builtin_rule_is_in_the_table() -> None:
    assert set(RULES) == set(NETS)


class TestBuiltinRules(OpRuleContract):
    @pytest.fixture(params=sorted(NETS))
    def subject(self, request: pytest.FixtureRequest) -> RuleSubject:
        net, example = NETS[request.param]
        return RuleSubject.of(RULES[request.param], net, (example,), {})
