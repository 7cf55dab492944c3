"""The cost of a network, measured on example inputs."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from gancompress.cost.macs import count_macs


@dataclass(frozen=True)
class Cost:
    """What one forward pass takes.

    Args:
        macs: True multiply-accumulates of the example inputs' shape (batch included).
        macs_published: As torchprofile 0.0.1 counts them, for comparison with published tables.
        params: Parameters, each once however many layers share it.
        activation_bytes: Most bytes of tensors alive at once beside inputs and weights; None
            where it was not measured.
        latency_ms: Median milliseconds a forward pass; None where it was not measured.
        device: Where the latency was measured, such as ``cpu``.
        runtime: What ran it, such as ``torch`` or ``onnxruntime``.
    """

    macs: int
    macs_published: int
    params: int
    activation_bytes: int | None = None
    latency_ms: float | None = None
    device: str = "cpu"
    runtime: str = "torch"


def measure_cost(
    module: nn.Module,
    example_inputs: tuple[Any, ...],
    example_kwargs: Mapping[str, Any] | None = None,
) -> Cost:
    """Measure everything but the latency.

    Args:
        module: Not changed; counted in eval mode, where it is.
        example_inputs: Positional inputs; all counts are for their batch size and resolution.
        example_kwargs: Keyword inputs.

    Returns:
        The cost, with ``latency_ms`` None.

    Raises:
        Exception: What the module's own forward raises on these inputs.
    """
    kwargs = dict(example_kwargs or {})
    macs = count_macs(module, example_inputs, kwargs)
    return Cost(
        macs=macs.true,
        macs_published=macs.published,
        params=sum(parameter.numel() for parameter in module.parameters()),
        activation_bytes=_peak_activation_bytes(module, example_inputs, kwargs),
    )


def _peak_activation_bytes(
    module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> int:
    try:
        # Sizes alone decide, so a copy on the meta device does no arithmetic.
        return _watch(*_on_meta(module, inputs, kwargs))
    except Exception:  # noqa: BLE001 - a forward that reads values fails there in its own way
        return _watch(copy.deepcopy(module).eval(), inputs, kwargs)


def _watch(module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    watch = _LiveBytes()
    with torch.no_grad(), watch:
        module(*inputs, **kwargs)
    return watch.peak


def _on_meta(
    module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    args, named = pytree.tree_map_only(Tensor, lambda x: x.to("meta"), (inputs, kwargs))
    return copy.deepcopy(module).eval().to("meta"), args, named


class _LiveBytes(TorchDispatchMode):
    """Watches operators, and keeps the most bytes that their outputs held at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._seen: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        inputs = {x.untyped_storage()._cdata for x in _tensors((args, kwargs))}  # noqa: SLF001
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            key = storage._cdata  # noqa: SLF001 - a view shares its storage with an input
            if key not in inputs:
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._seen[key] = (reference, storage.nbytes())
        self._seen = {
            key: entry
            for key, entry in self._seen.items()
            if not entry[0].expired()  # type: ignore[no-untyped-call]
        }
        self.peak = max(self.peak, sum(size for _, size in self._seen.values()))
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]
