"""Replace dense convolutions by separable ones that start as their best approximation."""

import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

from gancompress.errors import AnalysisError
from gancompress.graph import IgnoredScope, TracedGenerator
from gancompress.passes.activations import Patches, Sample, collect_activations
from gancompress.passes.assemble import positions_of, replace_layer, separable_layers
from gancompress.passes.base import GraphPass
from gancompress.passes.candidates import Subject, separable_candidate
from gancompress.passes.convolutions import checked_convolution
from gancompress.passes.residual import residual_convolutions
from gancompress.passes.separable import Separable, largest_multiplier

RIDGE = 1e-2
Calibration: TypeAlias = Sequence[Sample] | Mapping[str, Patches]


class Decompose(GraphPass):
    """Replace k×k convolutions by a depthwise k×k and a pointwise one.

    Requires plain weights (fold first) and ungrouped convolutions with k > 1. A convolution
    becomes depthwise, then pointwise; a transposed one becomes pointwise, then depthwise
    transposed, so that the costly half works at the lower resolution. Weights are the best
    rank-1 approximation, per input and per output channel respectively, so a kernel that is
    already separable computes the same as before. Stride, padding and dilation stay with the
    depthwise half, the bias with the half that comes last.

    A convolution of ``in`` to ``out`` channels and k² positions keeps
    ``in · k² + in · out (+ out)`` parameters, a transposed one ``out · k² + in · out (+ out)``.

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
    """

    name: ClassVar[str] = "decompose"

    def __init__(
        self,
        layers: Sequence[str] | Literal["resblocks", "none"],
        *,
        norm_between: bool = False,
        depthwise_bias: bool = False,
        ignored: IgnoredScope | None = None,
        multiplier: int = 1,
        calibration: Calibration = (),
        ridge: float = RIDGE,
    ) -> None:
        self.layers: tuple[str, ...] | str = layers if isinstance(layers, str) else tuple(layers)
        self.norm_between = norm_between
        self.depthwise_bias = depthwise_bias
        self.ignored = ignored
        self.multiplier = multiplier
        self.calibration = calibration
        self.ridge = ridge

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator with the named convolutions decomposed.

        Args:
            traced: The generator; it is left as it is.

        Raises:
            AnalysisError: If a layer does not exist or cannot be decomposed, with the reason, or
                is ignored, or if an entry of `ignored` selects no module, or if the batches do
                not fit the generator.
        """
        paths = self._paths(traced)
        module = copy.deepcopy(traced.module)
        layers = {path: checked_convolution(module, path) for path in paths}
        patches = self._patches(traced, paths)
        for path, layer in layers.items():
            places = positions_of(traced, path)
            subject = Subject.of(layer, patches.get(path), places)
            most = largest_multiplier(subject.kernels, transposed=bool(layer.transposed))
            found = separable_candidate(subject, min(self.multiplier, most), self.ridge)
            assert isinstance(found.factors, Separable)  # noqa: S101
            sequence = separable_layers(
                layer,
                found.factors,
                found.bias,
                norm_between=self.norm_between,
                depthwise_bias=self.depthwise_bias,
            )
            replace_layer(module, path, sequence)
        module.recompile()
        return traced.with_module(module) if paths else traced

    def _patches(self, traced: TracedGenerator, paths: Sequence[str]) -> Mapping[str, Patches]:
        if isinstance(self.calibration, Mapping):
            return self.calibration
        if not self.calibration or not paths:
            return {}
        return collect_activations(traced, self.calibration, paths)

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
