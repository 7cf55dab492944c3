"""One layer at any width: it slices its own weights, so that all widths share them."""

import copy
from collections.abc import Hashable, Iterator, MutableMapping
from typing import Any

from torch import Tensor, nn

from gancompress.elastic.resize import resize
from gancompress.elastic.slices import (
    AxisSlices,
    Mask,
    active_positions,
    put_back,
    slices_of,
    take,
)
from gancompress.graph import Member
from gancompress.graph.channels import set_sizes

Ties = MutableMapping[Hashable, nn.Parameter]


class ElasticModule(nn.Module):
    """A layer whose weights and buffers are sliced by the positions of the active units.

    Active positions that form a prefix are taken as views; at full width the layer is called as
    it is. A narrow call runs the layer's own ``forward`` on the slices, so it computes exactly
    what the layer that `to_static` returns computes. Gradients reach the active slices only.

    A batch norm in training mode updates the running statistics of its active channels and
    leaves the others alone. Those are then averages over all widths that were trained: calibrate
    the materialised net before it is used (`calibrate_batch_norm`).

    Args:
        base: The layer at full width; its parameters and buffers are the only ones.
        member: Where the units sit in the layer's tensors, from the channel analysis.
    """

    def __init__(self, base: nn.Module, member: Member) -> None:
        super().__init__()
        self.base = base
        self.member = member
        self._full = True
        self._slices: dict[str, AxisSlices] = {}
        # The layer without its tensors: it holds slices for the time of a call only. Kept in a
        # tuple, so that it is no submodule and does not show up beside the base.
        self._shell = (_without_tensors(base),)

    @property
    def is_full(self) -> bool:
        """Whether the layer is at full width."""
        return self._full

    def activate(self, active: Mask) -> None:
        """Choose the units to work with from the next call on.

        Args:
            active: For each unit id of the channel graph whether it is active.
        """
        member = self.member
        inputs = len(active_positions(member.inputs, active))
        outputs = len(active_positions(member.outputs, active))
        tensors = dict(_own_tensors(self.base))
        self._slices = {
            name: slices_of(member.axes.get(name, (None,) * tensor.ndim), active)
            for name, tensor in tensors.items()
        }
        whole = all(one is None for axes in self._slices.values() for one in axes)
        self._full = whole and (inputs, outputs) == (len(member.inputs), len(member.outputs))
        if not self._full:
            weight = tensors.get("weight")
            sliced = None if weight is None else take(weight, self._slices["weight"])
            resize(self._shell[0], self.base, inputs, outputs, sliced)
            set_sizes(self._shell[0], member.sizes, lambda ids: len(active_positions(ids, active)))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer at its current width.

        Args:
            *args: What the layer takes, with the active channels only.
            **kwargs: The same by name.

        Returns:
            What the layer returns, with the active channels only.
        """
        if self._full:
            return self.base(*args, **kwargs)
        shell, base = self._shell[0], self.base
        # Copied anew at every call: an edit through `.data` leaves no trace by which a copy that
        # was kept could be known to be stale.
        parts = {name: take(getattr(base, name), axes) for name, axes in self._slices.items()}
        held = vars(shell)
        held["training"] = base.training
        # Past `__setattr__`, which would register what is still a whole parameter.
        held.update(parts)
        try:
            result = shell(*args, **kwargs)
        finally:
            # Slices carry gradients, and a module that holds such tensors cannot be copied.
            for name in parts:
                held.pop(name, None)
        if base.training:
            for name, buffer in base.named_buffers(recurse=False):
                put_back(buffer, self._slices[name], parts[name])
        return result

    def to_static(self, ties: Ties | None = None) -> nn.Module:
        """Return a plain layer of the current width, with cloned weights.

        Args:
            ties: Parameters made so far. Parameters that are one in the supernet, and are sliced
                alike, stay one if their layers are given the same mapping.

        Returns:
            A layer of the base's class and mode; the memory format is kept.
        """
        if self._full:
            return copy.deepcopy(self.base)
        static = copy.deepcopy(self._shell[0])
        known: Ties = {} if ties is None else ties
        for name, parameter in self.base.named_parameters(recurse=False):
            key = (id(parameter), self._slices[name])
            if key not in known:
                part = take(parameter.detach(), self._slices[name]).clone()
                known[key] = nn.Parameter(part, requires_grad=parameter.requires_grad)
            static.register_parameter(name, known[key])
        saved = self.base.state_dict()
        for name, buffer in self.base.named_buffers(recurse=False):
            part = take(buffer, self._slices[name]).clone()
            static.register_buffer(name, part, persistent=name in saved)
        return static.train(self.base.training)


def _own_tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers that the layer itself holds."""
    yield from layer.named_parameters(recurse=False, remove_duplicate=False)
    yield from layer.named_buffers(recurse=False, remove_duplicate=False)


def _without_tensors(base: nn.Module) -> nn.Module:
    """Return a copy of a layer that has none of its parameters and buffers."""
    # Entered as already copied, the tensors are shared rather than cloned while copying.
    shell = copy.deepcopy(base, {id(tensor): tensor for _, tensor in _own_tensors(base)})
    for name, _ in _own_tensors(base):
        delattr(shell, name)
    return shell
