"""Replace dense convolutions by cheaper ones that start as their best approximation."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from torch import fx, nn

from gancompress.errors import AnalysisError
from gancompress.graph import IgnoredScope, TracedGenerator
from gancompress.passes.activations import Patches, Sample, collect_activations
from gancompress.passes.assemble import (
    low_rank_layers,
    positions_of,
    replace_layer,
    separable_layers,
)
from gancompress.passes.base import GraphPass
from gancompress.passes.candidates import Candidate, Subject, Work, separable_candidate
from gancompress.passes.choose import METHODS, Method, choose
from gancompress.passes.convolutions import checked_convolution
from gancompress.passes.low_rank import LowRank
from gancompress.passes.residual import residual_convolutions
from gancompress.passes.separable import Separable, largest_multiplier

Calibration: TypeAlias = Sequence[Sample] | Mapping[str, Patches]


@dataclass(frozen=True)
class Replacement:
    """What is to take one convolution's place, and what that costs.

    Args:
        path: Path of the convolution.
        found: The decomposition; None where it stays, since nothing is close enough and cheaper.
        before: What the convolution costs in one run on the example inputs.
    """

    path: str
    found: Candidate | None
    before: Work

    @property
    def method(self) -> str:
        """Either ``separable``, ``low_rank`` or ``kept``."""
        if self.found is None:
            return "kept"
        return "separable" if isinstance(self.found.factors, Separable) else "low_rank"

    @property
    def error(self) -> float:
        """Relative error of the output on the activations, else of the weights; 0 if it stays.

        A norm between the halves is left out of it.
        """
        return 0.0 if self.found is None else self.found.error

    @property
    def after(self) -> Work:
        """What takes its place costs; biases of the depthwise half are not counted."""
        return self.before if self.found is None else self.found.work


class Decompose(GraphPass):
    """Replace k×k convolutions by cheaper ones that start as their best approximation.

    Requires plain weights (fold first) and a kernel larger than 1; stride, border, dilation,
    groups and any number of dimensions are kept.

    ``separable``: a convolution becomes depthwise, then pointwise; a transposed one becomes
    pointwise, then depthwise transposed, so that the costly half works at the lower resolution.
    Weights are the best approximation of rank ``multiplier``, per input and per output channel
    respectively, so a kernel that is already of that rank computes the same as before. Stride,
    border and dilation stay with the depthwise half, groups with the pointwise one (and so what
    belongs to one group stays apart), the bias with the half that comes last. With multiplier m,
    g groups and k² positions there are

    - ``m · in · k² + m · in · out / g (+ out)`` parameters and as many MACs per *output* position,
      without the bias's;
    - ``m · out · k² + m · in · out / g (+ out)`` for a transposed one, per *input* position.

    ``low_rank``: a pointwise convolution to ``p`` channels, the k×k one to ``q`` channels, and a
    pointwise one (Tucker-2, Kim et al., arXiv 1511.06530). The parameters are
    ``(in · p + p · q · k² + q · out) / g (+ out)``; the MACs are those of the first per input
    position, of the last per output position, and of the middle one as of the original.

    With `calibration` both are fitted by least squares to what reaches the layer, bias included,
    and errors are those of the layer's output on it; on these activations the fit is never worse
    than the approximation of the weights.

    Args:
        layers: Paths of the convolutions; ``resblocks`` for those that `residual_convolutions`
            finds, ``none`` for no change.
        norm_between: Put a non-affine instance norm between both halves, as the published
            mobile generators have it. It undoes the scale that the approximation relies on, so
            the output no longer starts near the original's.
        depthwise_bias: Give the depthwise half a bias too, of zeros at first, where the
            convolution has one, as the published mobile generators have it. A transposed
            convolution's has it anyway.
        ignored: Layers that are left alone: ``resblocks`` passes over them, and to name one is an
            error.
        method: ``separable``, ``low_rank``, or ``cheapest`` for whichever has fewer MACs. The last
            two need a `max_error`.
        multiplier: Depthwise filters for each channel, from 1; a layer gets no more than make it
            exact, which are min(out / g, k²), and min(in / g, k²) of a transposed one.
        max_error: Largest relative error of a layer, in (0, 1): multiplier or ranks are the
            cheapest that keep it, and a layer where none does so and saves MACs stays as it is.
            None takes the multiplier.
        calibration: Batches, or tuples of positional inputs, to fit to; or what
            `collect_activations` has kept of them. Empty goes by the weights alone.
        ridge: How much the fit holds on to the approximation of the weights, above 0, relative to
            the mean square of what is fitted.

    Raises:
        AnalysisError: If options do not go together, or are out of their range.
    """

    name: ClassVar[str] = "decompose"

    def __init__(
        self,
        layers: Sequence[str] | Literal["resblocks", "none"],
        *,
        norm_between: bool = False,
        depthwise_bias: bool = False,
        ignored: IgnoredScope | None = None,
        method: Method = "separable",
        multiplier: int = 1,
        max_error: float | None = None,
        calibration: Calibration = (),
        ridge: float = 1e-2,
    ) -> None:
        self.layers: tuple[str, ...] | str = layers if isinstance(layers, str) else tuple(layers)
        self.norm_between = norm_between
        self.depthwise_bias = depthwise_bias
        self.ignored = ignored
        self.method: Method = method
        self.multiplier = multiplier
        self.max_error = max_error
        self.calibration = calibration
        self.ridge = ridge
        self._check()

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator with the named convolutions decomposed.

        Args:
            traced: The generator; it is left as it is.

        Raises:
            AnalysisError: If a layer does not exist or cannot be decomposed, with the reason, or
                is ignored, or if an entry of `ignored` selects no module, or if the batches do
                not fit the generator.
        """
        module = copy.deepcopy(traced.module)
        found = [one for one in self.plan(traced) if one.found is not None]
        for one in found:
            replace_layer(module, one.path, self._layers(module, one))
        module.recompile()
        return traced.with_module(module) if found else traced

    def plan(self, traced: TracedGenerator) -> tuple[Replacement, ...]:
        """Return what `apply` does, layer by layer, those that stay included.

        Args:
            traced: The generator; it is left as it is.

        Raises:
            AnalysisError: As `apply` does.
        """
        paths = self._paths(traced)
        layers = {path: checked_convolution(traced.module, path) for path in paths}
        patches = self._patches(traced, paths)
        return tuple(
            self._replacement(
                path, Subject.of(layer, patches.get(path), positions_of(traced, path))
            )
            for path, layer in layers.items()
        )

    def _replacement(self, path: str, subject: Subject) -> Replacement:
        if self.max_error is not None:
            found = choose(subject, self.method, self.max_error, self.ridge)
            return Replacement(path, found, subject.work)
        most = largest_multiplier(subject.kernels, transposed=bool(subject.layer.transposed))
        multiplier = min(self.multiplier, most)
        return Replacement(path, separable_candidate(subject, multiplier, self.ridge), subject.work)

    def _layers(self, module: fx.GraphModule, one: Replacement) -> nn.Sequential:
        layer, found = checked_convolution(module, one.path), one.found
        assert found is not None  # noqa: S101 - `apply` has left those out that stay
        if isinstance(found.factors, LowRank):
            return low_rank_layers(layer, found.factors, found.bias)
        return separable_layers(
            layer,
            found.factors,
            found.bias,
            norm_between=self.norm_between,
            depthwise_bias=self.depthwise_bias,
        )

    def _patches(self, traced: TracedGenerator, paths: Sequence[str]) -> Mapping[str, Patches]:
        if not isinstance(self.calibration, Mapping):
            known = bool(self.calibration) and bool(paths)
            return collect_activations(traced, self.calibration, paths) if known else {}
        for path in paths:
            if path not in self.calibration:
                raise AnalysisError(
                    f"the activations of '{path}' were not collected",
                    hint="name it in collect_activations(..., paths), or give batches",
                )
        return self.calibration

    def _check(self) -> None:
        """Refuse options that are out of range or exclude one another."""
        exact, chosen = self.multiplier, self.max_error
        for wrong, sentence, hint in (
            (
                self.method not in METHODS,
                f"'{self.method}' is no method of decomposing",
                f"take {', '.join(map(repr, METHODS))}",
            ),
            (exact < 1, f"the multiplier '{exact}' is below 1", "take 1 or more"),
            (
                chosen is not None and not 0 < chosen < 1,
                f"the largest error '{chosen}' is not between 0 and 1",
                "0.1 allows a tenth of the output",
            ),
            (not self.ridge > 0, f"the ridge '{self.ridge}' is not above 0", "take 0.01"),
            (
                chosen is None and self.method != "separable",
                f"the method '{self.method}' chooses by the error, and has no limit to go by",
                "give max_error too",
            ),
            (
                chosen is not None and exact > 1,
                "'multiplier' and 'max_error' both say how many filters there are",
                "leave one of them out",
            ),
            (
                self.norm_between and (chosen is not None or bool(self.calibration)),
                "'norm_between' undoes what 'max_error' and 'calibration' fit",
                "leave it out, or them",
            ),
        ):
            if wrong:
                raise AnalysisError(sentence, hint=hint)

    def _paths(self, traced: TracedGenerator) -> tuple[str, ...]:
        ignored = self.ignored.layers(traced) if self.ignored is not None else frozenset()
        if self.layers == "none":
            return ()
        if self.layers == "resblocks":
            found = residual_convolutions(traced)
            return tuple(path for path in found if path not in ignored)
        if isinstance(self.layers, str):
            raise AnalysisError(
                f"cannot decompose '{self.layers}': it is no known selection of layers",
                hint="give 'resblocks', 'none' or a list of layer paths",
            )
        for path in self.layers:
            if path in ignored:
                raise AnalysisError(
                    f"'{path}' is to be decomposed, and to be ignored too",
                    hint="take it out of the layers, or out of the ignored scope",
                )
        return tuple(dict.fromkeys(self.layers))
