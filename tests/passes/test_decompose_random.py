"""Random convolutions: what a decomposition costs, when it is exact, how its error falls."""

from dataclasses import dataclass
from math import gcd, prod
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gancompress.cost import measure_cost
from gancompress.errors import AnalysisError
from gancompress.graph import TracedGenerator, trace
from gancompress.passes import Decompose, Replacement, collect_activations

PLAIN: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
SIZES = {1: 11, 2: 7, 3: 5}


@dataclass(frozen=True, repr=False)
class Drawn:
    """A random convolution with the sizes that it works on."""

    traced: TracedGenerator
    layer: Any

    def __repr__(self) -> str:
        return f"{self.layer}, on {tuple(self.traced.example_inputs[0].shape)}"

    @property
    def positions(self) -> tuple[int, int]:
        (x,) = self.traced.example_inputs
        y = self.traced.module(x)
        return tuple(len(t) * prod(t.shape[2:]) for t in (x, y))  # type: ignore[return-value]

    @property
    def kernel(self) -> int:
        return prod(self.layer.kernel_size)

    @property
    def rank(self) -> int:
        other = self.layer.in_channels if self.layer.transposed else self.layer.out_channels
        return min(self.kernel, other // self.layer.groups)

    def inputs(self, seed: int) -> tuple[torch.Tensor, ...]:
        rng = torch.Generator().manual_seed(seed)
        shape = self.traced.example_inputs[0].shape
        # Neighbours are alike and channels differ in size, as in a net that was trained.
        x = torch.randn(4, *shape[1:], generator=rng, dtype=torch.float64).cumsum(-1)
        scale = torch.arange(1.0, shape[1] + 1, dtype=torch.float64)
        return (x * scale.reshape(-1, *(1,) * (len(shape) - 2)) + 0.5,)


@st.composite
def convolutions(draw: st.DrawFn) -> Drawn:
    spatial = draw(st.sampled_from((1, 2, 3)))
    transposed = draw(st.booleans())
    groups = draw(st.sampled_from((1, 2, 3)))
    side = st.integers(1, 3)
    kernel = draw(st.tuples(*[side] * spatial).filter(lambda k: max(k) > 1))
    stride = draw(st.tuples(*[st.integers(1, 2)] * spatial))
    options: dict[str, Any] = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": draw(st.tuples(*[st.integers(0, 1)] * spatial)),
        "dilation": draw(st.integers(1, 2)),
        "bias": draw(st.booleans()),
        "groups": groups,
    }
    if transposed:
        options["output_padding"] = tuple(step - 1 for step in stride)
        options["dilation"] = 2  # so that an output padding is below stride or dilation
    else:
        options["padding_mode"] = draw(st.sampled_from(("zeros", "reflect")))
    inputs, outputs = (groups * draw(st.integers(2, 4)) for _ in range(2))
    torch.manual_seed(draw(st.integers(0, 999)))
    kind = (TRANSPOSED if transposed else PLAIN)[spatial - 1]
    layer = kind(inputs, outputs, **options).double()
    x = torch.randn(2, inputs, *(SIZES[spatial],) * spatial, dtype=torch.float64)
    return Drawn(trace(nn.Sequential(layer).eval(), (x,)), layer)


def costs(traced: TracedGenerator) -> tuple[int, int]:
    found = measure_cost(traced.module, traced.example_inputs)
    return found.macs, found.params


def planned(traced: TracedGenerator, **options: Any) -> Replacement:
    (one,) = Decompose(["0"], **options).plan(traced)
    return one


random = settings(max_examples=40, deadline=None, derandomize=True)


@random
@given(drawn=convolutions(), multiplier=st.integers(1, 9))
def test_parameters_and_macs_are_those_of_the_formula(drawn: Drawn, multiplier: int) -> None:
    layer, m = drawn.layer, min(multiplier, drawn.rank)
    channels = layer.out_channels if layer.transposed else layer.in_channels
    weights = m * channels * drawn.kernel + m * layer.in_channels * layer.out_channels // (
        layer.groups
    )
    biases = 0 if layer.bias is None else layer.out_channels
    places = drawn.positions[0 if layer.transposed else 1]
    result = Decompose(["0"], multiplier=multiplier).apply(drawn.traced)
    assert costs(result) == (places * weights, weights + biases)

    one = planned(drawn.traced, multiplier=multiplier)
    assert (one.after.macs, one.after.params) == costs(result)
    assert (one.before.macs, one.before.params) == costs(drawn.traced)


@random
@given(drawn=convolutions(), fitted=st.booleans(), norm=st.booleans())
def test_the_full_rank_computes_the_same(drawn: Drawn, fitted: bool, norm: bool) -> None:
    x = drawn.inputs(1)
    calibration = [x] if fitted else []
    pass_ = Decompose(["0"], multiplier=drawn.kernel, calibration=calibration, depthwise_bias=norm)
    expected = drawn.traced.module(*x)
    found = pass_.apply(drawn.traced).module(*x)
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-10, rtol=1e-10)


@random
@given(drawn=convolutions())
def test_the_error_falls_with_the_multiplier(drawn: Drawn) -> None:
    errors = [planned(drawn.traced, multiplier=m).error for m in range(1, drawn.rank + 1)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-10


@random
@given(drawn=convolutions(), multiplier=st.integers(1, 3), ridge=st.sampled_from((1e-6, 1e-2, 1.0)))
def test_a_fit_is_never_worse_on_what_it_was_fitted_to(
    drawn: Drawn, multiplier: int, ridge: float
) -> None:
    x = drawn.inputs(2)
    expected = drawn.traced.module(*x)
    everything = collect_activations(drawn.traced, [x], ["0"], positions=10**6)

    def lost(**options: Any) -> float:
        result = Decompose(["0"], multiplier=multiplier, **options).apply(drawn.traced)
        return float((result.module(*x) - expected).square().mean().detach())

    scale = float(expected.detach().square().mean())
    fitted = lost(calibration=everything, ridge=ridge)
    assert fitted <= lost() * (1 + 1e-9) + 1e-20 * scale
    # What the plan says is what comes out: relative to the output about its mean.
    about = expected.detach().transpose(0, 1).flatten(1)
    if drawn.layer.bias is not None:
        about = about - about.mean(1, keepdim=True)
    claimed = planned(
        drawn.traced, multiplier=multiplier, calibration=everything, ridge=ridge
    ).error
    assert claimed**2 * float(about.square().mean()) == pytest.approx(
        fitted, rel=1e-6, abs=1e-14 * scale
    )


@random
@given(drawn=convolutions(), error=st.floats(0.02, 0.98), fitted=st.booleans())
@pytest.mark.parametrize("method", ["separable", "low_rank", "cheapest"])
def test_what_is_chosen_is_close_enough_and_cheaper(
    method: Any, drawn: Drawn, error: float, fitted: bool
) -> None:
    calibration = [drawn.inputs(3)] if fitted else []
    pass_ = Decompose(["0"], method=method, max_error=error, calibration=calibration)
    (one,) = pass_.plan(drawn.traced)
    result = pass_.apply(drawn.traced)
    assert (one.after.macs, one.after.params) == costs(result)
    if one.found is None:
        assert result is drawn.traced
        assert (one.method, one.error, one.after) == ("kept", 0.0, one.before)
    else:
        assert one.method in {method, "low_rank", "separable"}
        assert one.error <= error * (1 + 1e-9)
        assert one.after < one.before
    if method == "cheapest":
        others = [
            planned(drawn.traced, method=kind, max_error=error, calibration=calibration)
            for kind in ("separable", "low_rank")
        ]
        assert one.after == min(other.after for other in others)


def test_low_rank_widths_are_multiples_of_eight_in_all_groups_together() -> None:
    torch.manual_seed(0)
    for groups in (1, 2, 4):
        layer = nn.Conv2d(64, 96, 3, padding=1, groups=groups, bias=False).double()
        x = torch.randn(1, 64, 9, 9, dtype=torch.float64)
        traced = trace(nn.Sequential(layer).eval(), (x,))
        result = Decompose(["0"], method="low_rank", max_error=0.8).apply(traced)
        reduce, core, expand = (
            result.module.get_submodule(f"0.{part}") for part in ("reduce", "core", "expand")
        )
        inner = (reduce.out_channels, core.out_channels)
        assert all(width % 8 == 0 and width < 64 for width in inner)
        assert [part.groups for part in (reduce, core, expand)] == [groups] * 3
        assert gcd(*inner) % groups == 0
        weights = (64 * inner[0] + 9 * prod(inner) + 96 * inner[1]) // groups
        assert costs(result) == (81 * weights, weights)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "method": ({"method": "tucker"}, "'tucker' is no method"),
    "multiplier": ({"multiplier": 0}, "'0' is below 1"),
    "error": ({"max_error": 1.5}, "'1.5' is not between 0 and 1"),
    "no number": ({"max_error": float("nan")}, "'nan' is not between"),
    "ridge": ({"ridge": 0.0}, "ridge '0.0'"),
    "no limit": ({"method": "low_rank"}, "'low_rank' chooses by the error"),
    "both": ({"multiplier": 2, "max_error": 0.1}, "'multiplier' and 'max_error'"),
    "norm": ({"norm_between": True, "max_error": 0.1}, "'norm_between' undoes"),
    "norm and data": ({"norm_between": True, "calibration": [(0,)]}, "'norm_between' undoes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_options_that_make_no_sense_are_refused(name: str) -> None:
    options, sentence = WRONG[name]
    with pytest.raises(AnalysisError, match=sentence) as caught:
        Decompose(["0"], **options)
    assert caught.value.hint
