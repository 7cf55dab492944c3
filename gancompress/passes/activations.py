"""What reaches a layer: neighbourhoods of its input, taken while the generator runs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from gancompress.errors import AnalysisError
from gancompress.gan import Batch
from gancompress.graph import TracedGenerator
from gancompress.graph.values import (
    NamedInterpreter,
    clone_tensors,
    copy_module,
    named_inputs,
)
from gancompress.passes.convolutions import Convolution, checked_convolution

Sample: TypeAlias = Batch | tuple[Any, ...]
Recorder: TypeAlias = Callable[[str, Tensor, Tensor], None]
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Moments:
    """Second moments of what a convolution sees: all that a least-squares fit needs to know.

    Args:
        mean: ``(groups, in / groups, positions)``; zeros where there is no bias to absorb it.
        second: ``(groups, in / groups, positions, in / groups, positions)``, about the mean.
    """

    mean: Tensor
    second: Tensor

    def energy(self, kernels: Tensor) -> float:
        """Return the mean over positions of the squared output of a convolution, about the mean.

        Args:
            kernels: In the layout of `kernels_of`; the difference of two gives their squared error.
        """
        flat = kernels.flatten(2)
        return float(((flat @ self._flat) * flat).sum())

    def applied(self, kernels: Tensor) -> Tensor:
        """Return the kernels times the second moments, in the same layout.

        Args:
            kernels: In the layout of `kernels_of`.
        """
        return (kernels.flatten(2) @ self._flat).reshape(kernels.shape)

    @property
    def _flat(self) -> Tensor:
        groups, inputs, positions = self.mean.shape
        return self.second.reshape(groups, inputs * positions, inputs * positions)


@dataclass(frozen=True)
class Patches:
    """Neighbourhoods that a convolution's kernel has been laid on.

    Args:
        values: ``(samples, in, positions)``: for an output position, drawn at random, the inputs
            that each position of the kernel is multiplied with; zeros where there is none.
    """

    values: Tensor

    def moments(self, groups: int, *, centred: bool) -> Moments:
        """Return the second moments.

        Args:
            groups: Groups of the convolution.
            centred: Whether they are about the mean, as a bias that is fitted too makes them.
        """
        samples, inputs, positions = self.values.shape
        split = self.values.to(torch.float64).reshape(samples, groups, -1, positions)
        mean = split.mean(0) if centred else torch.zeros_like(split[0])
        flat = (split - mean).flatten(2).transpose(0, 1)
        second = flat.transpose(1, 2) @ flat / samples
        shape = (groups, inputs // groups, positions)
        return Moments(mean, second.reshape(*shape, *shape[1:]))


def collect_activations(
    traced: TracedGenerator,
    batches: Sequence[Sample],
    paths: Sequence[str],
    *,
    positions: int = 4096,
    seed: int = 0,
) -> dict[str, Patches]:
    """Run the generator in eval mode and keep some of what reaches convolutions.

    Args:
        traced: The generator; it is left as it is.
        batches: Batches, or tuples of positional inputs.
        paths: The convolutions.
        positions: Output positions to keep for each layer, drawn evenly from all batches; fewer
            where a layer's would take more than 64 MiB.
        seed: Seed of what is drawn, and of the generator's own noise.

    Returns:
        For each path the neighbourhoods of the positions, in the layer's dtype.

    Raises:
        AnalysisError: If a path is no convolution that can be decomposed, there is no batch, the
            batches do not fit the generator, or what reaches a layer is not finite.
    """
    if not batches:
        raise AnalysisError(
            "there is no batch to collect activations from", hint="give one batch or more"
        )
    module = copy_module(traced.module).eval()
    layers = {path: checked_convolution(module, path) for path in paths}
    calls = Counter(str(node.target) for node in module.graph.find_nodes(op="call_module"))
    shares = {
        path: _share(layer, positions, len(batches) * calls[path]) for path, layer in layers.items()
    }
    found: dict[str, list[Tensor]] = {path: [] for path in paths}
    rng = torch.Generator().manual_seed(seed)

    def record(path: str, x: Tensor, output: Tensor) -> None:
        found[path].append(take_patches(layers[path], x, output, shares[path], rng))

    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for batch in batches:
            _run(module, batch, record, frozenset(paths))
    result = {path: Patches(torch.cat(parts)) for path, parts in found.items()}
    for path, patches in result.items():
        if not patches.values.isfinite().all():
            raise AnalysisError(
                f"what reaches '{path}' is not finite", hint="check the weights and the batches"
            )
    return result


def _share(layer: Convolution, positions: int, calls: int) -> int:
    one = layer.in_channels * prod(layer.kernel_size) * layer.weight.element_size()
    return ceil(max(1, min(positions, MOST_BYTES // one)) / calls)


class _Runner(NamedInterpreter):
    """Runs a graph and hands the inputs and outputs of some layers on.

    Args:
        module: The graph.
        inputs: Its inputs by name.
        record: Takes the path, the input and the output.
        paths: The layers.
    """

    def __init__(
        self,
        module: fx.GraphModule,
        inputs: Mapping[str, Any],
        record: Recorder,
        paths: frozenset[str],
    ) -> None:
        super().__init__(module, inputs)
        self.record, self.paths = record, paths

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Call a layer."""
        output = super().call_module(target, args, kwargs)
        if target in self.paths:
            self.record(target, args[0] if args else kwargs["input"], output)
        return output


def _run(module: fx.GraphModule, batch: Sample, record: Recorder, paths: frozenset[str]) -> None:
    inputs = clone_tensors(batch.inputs if isinstance(batch, Batch) else tuple(batch))
    try:
        named = named_inputs(module, inputs, {})
        _Runner(module, named, record, paths).run(enable_io_processing=False)
    except (TypeError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AnalysisError(
            f"a calibration batch does not fit the generator: {reason}",
            hint="give batches, or tuples of inputs, as the generator is called with",
        ) from error


def take_patches(
    layer: Convolution, x: Tensor, output: Tensor, samples: int, rng: torch.Generator
) -> Tensor:
    """Return what a convolution multiplies its kernel with at some of its output positions.

    Args:
        layer: Plain or transposed.
        x: Its input, ``(N, C, *sizes)`` or without the batch axis.
        output: Its output for that input; only the shape counts.
        samples: How many positions are drawn, without repetition; all where there are fewer.
        rng: Draws the positions.

    Returns:
        ``(samples, C, positions)``.
    """
    spatial = len(layer.kernel_size)
    if x.dim() == spatial + 1:
        x, output = x[None], output[None]
    sizes = output.shape[2:]
    total = len(output) * prod(sizes)
    drawn = torch.randperm(total, generator=rng)[:samples]
    pictures, where = drawn // prod(sizes), _unravel(drawn % prod(sizes), sizes)
    source = x if layer.transposed else _padded(layer, x)
    index = torch.zeros(1, 1, dtype=torch.int64)
    inside = torch.ones(1, 1, dtype=torch.bool)
    for axis in range(spatial):
        place, valid = _places(layer, axis, where[axis], source.shape[2 + axis])
        # The last axis of the kernel varies fastest, as in a flattened weight.
        index = (index * source.shape[2 + axis])[:, :, None] + place[:, None]
        inside = inside[:, :, None] & valid[:, None]
        index, inside = index.flatten(1), inside.flatten(1)
    patches = source.flatten(2)[pictures[:, None], :, index]
    return (patches * inside[..., None].to(x.device)).transpose(1, 2).contiguous()


def _unravel(flat: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    places: list[Tensor] = []
    for size in reversed(sizes):
        places.insert(0, flat % size)
        flat = flat // size
    return places


def _places(layer: Convolution, axis: int, where: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return which inputs the kernel's places meet along one axis, and which of them exist."""
    taps = torch.arange(layer.kernel_size[axis]) * layer.dilation[axis]
    step = layer.stride[axis]
    if not layer.transposed:
        place = where[:, None] * step + taps
        return place, torch.ones_like(place, dtype=torch.bool)
    padding = layer.padding[axis]
    assert isinstance(padding, int)  # noqa: S101 - only plain ones take a word
    ahead = where[:, None] + padding - taps
    place = ahead // step
    valid = (ahead % step == 0) & (place >= 0) & (place < size)
    return place.masked_fill(~valid, 0), valid


def _padded(layer: Convolution, x: Tensor) -> Tensor:
    """Return the input with the border that a plain convolution puts around it."""
    borders: list[int] = []
    for axis in reversed(range(len(layer.kernel_size))):
        reach = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
        if layer.padding == "valid":
            borders += [0, 0]
        elif layer.padding == "same":
            borders += [reach // 2, reach - reach // 2]
        else:
            borders += [int(layer.padding[axis])] * 2
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(x, borders, mode=mode)
