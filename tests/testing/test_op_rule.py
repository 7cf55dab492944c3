"""The contract takes rules for layers and functions of one's own, and refuses each mistake."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.graph import (
    Layout,
    OpCall,
    OpRule,
    Part,
    add_part,
    along,
    channel_ids,
    own_outputs,
)
from gancompress.graph.layout import constant
from gancompress.graph.rules.combine import CombineRule
from gancompress.testing import OpRuleContract, RuleSubject

PICTURE = torch.zeros(1, 3, 8, 8)


class Scale(torch.autograd.Function):
    """A product that torch is not told of, as kernels of one's own are."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(x, factor)
        return x * factor

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, factor = ctx.saved_tensors
        return gradient * factor, (gradient * x).sum((0, 2, 3)).view_as(factor)


class LayerScale(nn.Module):
    """One factor per channel, and a count that has to fit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gamma = nn.Parameter(torch.full((channels, 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] != self.channels:
            raise RuntimeError(f"{x.shape[1]} channels for {self.channels}")
        return Scale.apply(x, self.gamma)


class LayerScaleRule(OpRule):
    modules = (LayerScale,)

    def apply(self, call: OpCall) -> Layout:
        ids = channel_ids(call.layouts[0], 1, call.channels)
        axes = {"gamma": (ids, None, None)}
        part = add_part(call, Part("scale", axes, ids, ids, sizes={"channels": ids}))
        return along(part.outputs, 1, call.shape)


class ScaledConv(torch.autograd.Function):
    """A convolution whose gradient is its own business."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x.detach(), weight.detach())
        return F.conv2d(x, weight / 5, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        with torch.enable_grad():
            found = F.conv2d(x.requires_grad_(), weight.requires_grad_() / 5, padding=1)
        return torch.autograd.grad(found, (x, weight), gradient)


class EqualConv(nn.Module):
    """A layer that makes channels, by a function of its own, with its sizes in a tuple."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.size = (outputs, inputs)
        self.kernel = nn.Parameter(torch.randn(outputs, inputs, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel.shape[:2] != self.size:
            raise RuntimeError(f"a kernel of {self.kernel.shape} for {self.size}")
        return ScaledConv.apply(x, self.kernel)


class EqualConvRule(OpRule):
    modules = (EqualConv,)

    def apply(self, call: OpCall) -> Layout:
        into = channel_ids(call.layouts[0], 1, call.channels)
        out = own_outputs(call, call.shape[1])
        axes = {"kernel": (out, into, None, None)}
        sizes = {"size": (out, into)}
        part = Part("conv", axes, into, out, produces=True, consumes=True, sizes=sizes)
        return along(add_part(call, part).outputs, 1, call.shape)

    def macs(self, call: OpCall) -> int:
        batch, _, height, width = call.shape
        assert call.module is not None
        return batch * height * width * int(call.module.kernel.numel())


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class RoundRule(OpRule):
    functions = frozenset({Round.apply})

    def apply(self, call: OpCall) -> Any:
        return Layout(call.layouts[0].ids, call.shape)


def through_numpy(x: Tensor) -> Tensor:
    """Something that fx cannot trace through."""
    return torch.from_numpy(np.sign(x.detach().numpy()))


class NumpyRule(RoundRule):
    functions = frozenset({through_numpy})


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3)


class Net(nn.Module):
    """conv enter (3 → 8) · what is under test · conv leave (8 → 3)."""

    def __init__(self, inner: nn.Module | Callable[[Tensor], Tensor], channels: int = 8) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(3, 8, 3), nn.Conv2d(channels, 3, 3)
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.leave(self.inner(self.enter(x)))
        return result


class TestALayerThatFollows(OpRuleContract):
    rule = LayerScaleRule()
    generator = Net(LayerScale(8))
    example_inputs = (PICTURE,)


class TestALayerThatMakesChannels(OpRuleContract):
    @pytest.fixture
    def rule(self) -> OpRule:
        return EqualConvRule()

    @pytest.fixture
    def generator(self) -> nn.Module:
        return Net(EqualConv(8, 6), 6)

    @pytest.fixture
    def example_inputs(self) -> tuple[Tensor, ...]:
        return (PICTURE,)


class TestALayerThatIsSharedAndAFunctionInIt(OpRuleContract):
    rule = EqualConvRule()
    example_inputs: ClassVar[Any] = ()
    example_kwargs: ClassVar[Any] = {"x": PICTURE}

    @pytest.fixture
    def generator(self) -> nn.Module:
        inner = EqualConv(8, 8)
        return Net(nn.Sequential(inner, nn.ReLU(), inner))


class TestAnAutogradFunction(OpRuleContract):
    rule = RoundRule()
    generator = Net(Round.apply)
    example_inputs = (PICTURE,)


class TestAPlainFunction(OpRuleContract):
    rule = NumpyRule()
    generator = Net(through_numpy)
    example_inputs = (PICTURE,)


def refuses(
    check: Callable[..., None], rule: OpRule, net: nn.Module, sentence: str, args: Any = (PICTURE,)
) -> None:
    with pytest.raises(pytest.fail.Exception, match=sentence):
        check(OpRuleContract(), RuleSubject.of(rule, net, args, {}))


def test_a_rule_that_matches_nothing_is_refused() -> None:
    class Nothing(RoundRule):
        functions = frozenset({torch.sinc})

    check = OpRuleContract.test_the_rule_is_the_one_applied
    refuses(check, Nothing(), Net(torch.sigmoid), "Nothing matches no operator")
    # A class that is not listed in `modules` is traced through.
    refuses(check, RoundRule(), Net(LayerScale(8)), "list what it stands for")


def test_a_rule_that_comes_too_late_is_refused() -> None:
    net = Net(lambda y: y + torch.max(y))
    check = OpRuleContract.test_the_rule_is_the_one_applied

    class Late(CombineRule):
        functions = frozenset({torch.max})

    # A plugin's is asked first.
    check(OpRuleContract(), RuleSubject.of(Late(), net, (PICTURE,), {}))
    net = Net(lambda y: F.interpolate(torch.max(y, dim=2, keepdim=True)[0], (6, 6)))
    refuses(check, CombineRule(), net, "CombineRule is never applied: ReduceRule comes before it")


def test_a_rule_that_cannot_read_the_call_is_refused() -> None:
    class Greedy(RoundRule):
        def apply(self, call: OpCall) -> Any:
            return call.layouts[1]

    check = OpRuleContract.test_layouts_have_the_shapes_of_the_tensors
    net = Net(Round.apply)
    refuses(check, Greedy(), net, "Greedy cannot read Round at test_op_rule.py")


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (lambda call: constant((1,)), r"the layout's shape is \(1,\)"),
        (lambda call: call.shape, "has no layout but"),
        (lambda call: Layout(np.zeros((2, 2), dtype=np.int64), call.shape), "ids of shape"),
    ],
)
def test_layouts_of_other_shapes_are_refused(result: Any, sentence: str) -> None:
    class Odd(RoundRule):
        def apply(self, call: OpCall) -> Any:
            return result(call)

    check = OpRuleContract.test_layouts_have_the_shapes_of_the_tensors
    net = Net(Round.apply)
    refuses(check, Odd(), net, f"Odd lays out Round .* wrongly: .*{sentence}")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ((), r"there is \(\) where 2 values leave"),
        ([1, 2], "no layout but 1"),
        (None, "there is None where 2 values leave"),
    ],
)
def test_layouts_of_several_results_are_compared_one_by_one(value: Any, sentence: str) -> None:
    class Pairs(RoundRule):
        functions = frozenset({torch.aminmax})

        def apply(self, call: OpCall) -> Any:
            return value

    net = Net(lambda y: y + sum(torch.aminmax(y, dim=2, keepdim=True)))
    check = OpRuleContract.test_layouts_have_the_shapes_of_the_tensors
    refuses(check, Pairs(), net, sentence)


class Named(nn.Module):
    """Returns its tensors by name; torch cannot trace through it."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"twice": torch.from_numpy(2 * x.detach().numpy())}


@pytest.mark.parametrize("name", ["twice", "thrice"])
def test_layouts_by_name_have_the_names_of_the_tensors(name: str) -> None:
    class NamedRule(RoundRule):
        functions = frozenset()
        modules = (Named,)

        def apply(self, call: OpCall) -> Any:
            layout = call.layouts[0]
            return {name: Layout(layout.ids, layout.shape)}

    class ByName(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.named, self.leave = conv(3, 8), Named(), conv(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.leave(self.named(self.enter(x))["twice"])
            return result

    subject = RuleSubject.of(NamedRule(), ByName(), (PICTURE,), {})
    narrowed = OpRuleContract.test_channels_can_be_narrowed_at_the_operator
    shapes = OpRuleContract.test_layouts_have_the_shapes_of_the_tensors
    if name == "twice":
        narrowed(OpRuleContract(), subject)
        shapes(OpRuleContract(), subject)
    else:
        refuses(narrowed, subject.rule, ByName(), "NamedRule laid out another shape")
        refuses(shapes, subject.rule, ByName(), "where 1 values leave")


def test_a_rule_that_freezes_is_refused() -> None:
    class Shy(RoundRule):
        def apply(self, call: OpCall) -> Any:
            return call.freeze("it is shy")

    check = OpRuleContract.test_channels_can_be_narrowed_at_the_operator
    net = Net(Round.apply)
    refuses(check, Shy(), net, "no channels at the operator of Shy .* it is shy; network output")


def test_a_rule_that_nobody_needs_is_refused() -> None:
    class Needless(RoundRule):
        functions = frozenset({torch.sigmoid})

    check = OpRuleContract.test_without_the_rule_they_are_frozen
    refuses(check, Needless(), Net(torch.sigmoid), "not needed: 8 channels can be narrowed without")


class Mirror(torch.autograd.Function):
    """Adds channels that lie opposite one another: they can only go together."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x + x.flip(1)


class MirrorRule(RoundRule):
    """Ties nothing, and should."""

    functions = frozenset({Mirror.apply})


class TyingMirrorRule(MirrorRule):
    def apply(self, call: OpCall) -> Any:
        ids = call.layouts[0].ids
        return Layout(call.channels.unite(ids, np.flip(ids, 1)), call.shape)


class TestARuleThatTies(OpRuleContract):
    rule = TyingMirrorRule()
    generator = Net(Mirror.apply)
    example_inputs = (PICTURE,)


def test_a_rule_that_ties_too_little_is_refused() -> None:
    net = Net(Mirror.apply)
    check = OpRuleContract.test_numbers_agree_with_the_rule
    refuses(check, MirrorRule(), net, "group 'enter': verification: without a unit the output diff")
    check = OpRuleContract.test_sorting_changes_nothing
    refuses(check, MirrorRule(), net, "sorting moves the output by")


@pytest.mark.parametrize("forgotten", ["axes", "sizes"])
def test_a_rule_that_forgets_something_is_refused(forgotten: str) -> None:
    class Forgetful(LayerScaleRule):
        def apply(self, call: OpCall) -> Layout:
            layout = super().apply(call)
            setattr(call.parts[call.path], forgotten, {})
            return layout

    for check in (
        OpRuleContract.test_subnets_compute_alike_in_the_supernet_and_alone,
        OpRuleContract.test_subnets_can_be_copied_and_loaded,
    ):
        refuses(check, Forgetful(), Net(LayerScale(8)), "the subnet .* does not run: ")
    if forgotten == "axes":
        check = OpRuleContract.test_sorting_changes_nothing
        refuses(check, Forgetful(), Net(LayerScale(8)), "sorting moves the output by")


class Particular(LayerScale):
    """Computes something else with a slice than with a parameter."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma * (1 + isinstance(self.gamma, nn.Parameter))


class Counting(LayerScale):
    """Computes something else at every call."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.gamma * self.calls


class Generation:
    """A number that grows with every copy."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __deepcopy__(self, memo: Any) -> "Generation":
        return Generation(self.number + 1)


class Ageing(LayerScale):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.age = Generation(1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma * self.age.number


class Hidden(LayerScale):
    """Holds a factor that its state dict leaves out."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("factor", torch.full((1,), 3.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma * self.factor


@pytest.mark.parametrize(
    ("layer", "check", "sentence"),
    [
        (Counting, "subnets_compute_alike_in_the_supernet_and_alone", "is not the generator"),
        (Particular, "subnets_compute_alike_in_the_supernet_and_alone", "else when it is cut out"),
        (Ageing, "subnets_can_be_copied_and_loaded", "a copy computes something else"),
        (Hidden, "subnets_can_be_copied_and_loaded", "does not hold all that computes"),
    ],
)
def test_layers_that_are_not_what_they_seem_are_refused(
    layer: type[LayerScale], check: str, sentence: str
) -> None:
    class Rule(LayerScaleRule):
        modules = (layer,)

    refuses(getattr(OpRuleContract, f"test_{check}"), Rule(), Net(layer(8)), sentence)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (lambda: 0, r"counts 0 MACs at 'inner', and torch counts 15552"),
        (lambda: -1, "counts -1 MACs"),
        (lambda: 1 // 0, "cannot count 'inner': ZeroDivisionError"),
    ],
)
def test_work_that_is_counted_wrongly_is_refused(count: Callable[[], int], sentence: str) -> None:
    class Lazy(EqualConvRule):
        def macs(self, call: OpCall) -> int:
            return count()

    check = OpRuleContract.test_work_is_counted_once
    refuses(check, Lazy(), Net(EqualConv(8, 6), 6), sentence)


def test_a_rule_that_changes_the_layer_is_refused() -> None:
    class Meddling(LayerScaleRule):
        def apply(self, call: OpCall) -> Layout:
            assert call.module is not None
            call.module.register_parameter("more", nn.Parameter(torch.zeros(5)))
            return super().apply(call)

    check = OpRuleContract.test_work_is_counted_once
    refuses(check, Meddling(), Net(LayerScale(8)), r"is of \d+ parameters, and there are \d+")
