"""The once-for-all generator: every subnet of the space, sharing one set of weights."""

import difflib
import random
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from gancompress.elastic.config import SubnetConfig
from gancompress.elastic.layer import ElasticModule, Ties
from gancompress.elastic.program import Program
from gancompress.elastic.slices import AxisSlices, Mask, active_positions, slices_of, take
from gancompress.elastic.space import SearchSpace, SpaceRule, check_width
from gancompress.elastic.tap import Tap
from gancompress.errors import AnalysisError, SubnetError
from gancompress.graph import ChannelGraph, IgnoredScope, OpRule, TracedGenerator, analyse
from gancompress.graph.sizes import numbers_by_node, resized
from gancompress.graph.values import copy_module


class Supernet(nn.Module):
    """A generator whose channel groups can be narrowed at any time.

    A subnet of width w in a group works with the first w units of that group, so sort the
    channels first (`SortChannels`). Its state dict is that of the plain generator, key for key:
    checkpoints go either way. Gradients reach the weights of active units only; an optimiser
    with momentum still moves the others by what it remembers.

    Args:
        traced: The generator after the passes; its module is copied and left as it is.
        space: Widths to choose from, or a rule that makes them from the channel graph; by
            default multiples of 8 channels from a quarter of the full width.
        rules: Operator rules for the channel analysis, asked before the built-in ones.
        ignored: Layers that are left alone: their channels all stay.

    Attributes:
        traced: The generator as it was given.
        graph: Its channel groups.
        space: The widths to choose from.
        config: The current subnet; at first the widest of the space.

    Raises:
        SubnetError: If the space does not fit the generator.
        AnalysisError: If an entry of `ignored` selects no module.
    """

    def __init__(
        self,
        traced: TracedGenerator,
        space: SearchSpace | SpaceRule | None = None,
        rules: Sequence[OpRule] = (),
        *,
        ignored: IgnoredScope | None = None,
    ) -> None:
        super().__init__()
        self.traced = traced
        self.graph: ChannelGraph = analyse(traced, rules=rules, ignored=ignored)
        rule = SearchSpace.multiples_of(8) if space is None else space
        self.space = rule if isinstance(rule, SearchSpace) else rule(self.graph)
        self.space.check_groups(self.graph)
        self.net: fx.GraphModule = copy_module(traced.module)
        self.training = traced.module.training  # and every layer keeps its own mode
        # In a plain dictionary: as submodules their bases would appear twice in the state dict.
        self._elastic = {
            path: ElasticModule(self.net.get_submodule(path), member)
            for path, member in self.graph.members.items()
        }
        self.program = Program(self.net, self._elastic)
        self.register_load_state_dict_pre_hook(_into_net)  # type: ignore[no-untyped-call]
        self.config = self.space.largest()
        self.activate(self.config)

    def activate(self, config: SubnetConfig) -> Self:
        """Work at the given widths from the next call on.

        Args:
            config: Widths out of the space, or full ones; groups not named are at full width.

        Returns:
            The supernet itself.

        Raises:
            SubnetError: If a group or a width is not in the space.
        """
        active = self._active(config)
        for layer in self._elastic.values():
            layer.activate(active)
        slices = {name: slices_of(axes, active) for name, axes in self.graph.tensors.items()}
        self._slices = {name: axes for name, axes in slices.items() if any(axes)}
        numbers = numbers_by_node(self.graph.sizes, active)
        self._numbers = {} if active.all() else numbers
        self.program.narrow(self._slices, self._numbers)
        self.config = config
        return self

    def sample(self, rng: random.Random) -> SubnetConfig:
        """Draw a subnet from the space, without activating it.

        Args:
            rng: Source of randomness.
        """
        return self.space.sample(rng)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the generator at its current widths.

        Args:
            *args: The generator's inputs.
            **kwargs: The same by name.

        Returns:
            What the generator returns.
        """
        return self.program.run(args, kwargs)[0]

    def materialise(self, config: SubnetConfig) -> fx.GraphModule:
        """Return a subnet as a net of its own, of plain torch layers with cloned weights.

        In eval mode it computes bit for bit what the supernet computes at these widths. The
        current widths stay as they are.

        Args:
            config: Widths out of the space, or full ones; groups not named are at full width.

        Raises:
            SubnetError: If a group or a width is not in the space.
        """
        before = self.config
        try:
            self.activate(config)
            ties: Ties = {}
            # Entered as already copied, the static layers take the place of the elastic ones,
            # and the rest, ties and aliases included, is copied around them.
            memo: dict[int, Any] = {
                id(layer.base): layer.to_static(ties)
                for layer in self._elastic.values()
                if not layer.is_full
            }
            for name, slices in self._slices.items():
                tensor = attrgetter(name)(self.net)
                memo[id(tensor)] = _static(tensor, slices, ties)
            static = copy_module(self.net, memo)
            for node in static.graph.nodes:
                if node.name in self._numbers:
                    numbers = self._numbers[node.name]
                    node.args, node.kwargs = resized((node.args, node.kwargs), numbers)
            static.recompile()
            return static
        finally:
            self.activate(before)

    def tap(self, names: Sequence[str]) -> Tap:
        """Return a module that runs the supernet and also returns feature maps.

        Args:
            names: Names of tensor-valued nodes of the traced graph.

        Returns:
            A module that shares weights and widths with the supernet and returns the output and
            the feature maps by name, each with its active channels only.

        Raises:
            AnalysisError: If a node does not exist or is no tensor.
        """
        for name in names:
            self._check_node(name)
        return Tap(self, names)

    def active_units(self, name: str) -> Tensor:
        """Return which channels of a node's full-width value exist under the current config.

        Args:
            name: Name of a tensor-valued node of the traced graph.

        Returns:
            Positions along the channel axis of the full-width tensor, int64, ascending.

        Raises:
            AnalysisError: If the node does not exist, is no tensor, or spreads its channels over
                several axes.
        """
        self._check_node(name)
        layout = np.asarray(self.graph.layouts[name])
        ids = _channel_line(name, layout, self.traced.shapes[name])
        return torch.from_numpy(active_positions(ids, self._active(self.config)))

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the state dict of the plain generator, as `torch.nn.Module.state_dict` does."""
        return self.net.state_dict(*args, **kwargs)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load the state dict of the plain generator, as `torch.nn.Module.load_state_dict` does.

        Args:
            state_dict: Tensors by the generator's own keys.
            strict: Whether every key has to be there, and no other.
            assign: Whether to take the tensors themselves instead of copying them.
        """
        return self.net.load_state_dict(state_dict, strict, assign)

    def _active(self, config: SubnetConfig) -> Mask:
        """Return for each unit id whether it is active."""
        count = 1 + max((unit for group in self.graph.groups for unit in group.unit_ids), default=0)
        active = np.ones(count, dtype=np.bool_)
        for key, width in config.widths.items():
            check_width(self.graph, key, width)
            group = self.graph.group(key)
            choices = self.space.choices.get(key, ())
            if width != group.units and width not in choices:
                raise SubnetError(
                    f"width {width} of group '{key}' is not in the search space",
                    hint=f"choose from {', '.join(map(str, choices)) or group.units}",
                )
            active[list(group.unit_ids[width:])] = False
        return active

    def _check_node(self, name: str) -> None:
        if name in self.traced.shapes and name in self.graph.layouts:
            return
        close = difflib.get_close_matches(name, self.traced.shapes, n=3, cutoff=0.5)
        raise AnalysisError(
            f"the traced generator has no tensor '{name}'",
            hint=f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else "list its nodes with: print(traced.module.graph)",
        )


def _static(tensor: Tensor, slices: AxisSlices, ties: Ties) -> Tensor:
    """Return a tensor of the current width; one that a layer shares stays one."""
    part = take(tensor.detach(), slices).clone()
    if not isinstance(tensor, nn.Parameter):
        return part
    return ties.setdefault((id(tensor), slices), nn.Parameter(part, tensor.requires_grad))


def _into_net(
    module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_rest: object
) -> None:
    """Rename a parent's keys while it loads, since the plain generator sits one level down."""
    del module
    for key in [key for key in state_dict if key.startswith(prefix)]:
        state_dict[f"{prefix}net.{key.removeprefix(prefix)}"] = state_dict.pop(key)


def _channel_line(
    name: str, layout: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the unit ids along the one axis of a layout that carries channels."""
    # Layouts are broadcast: along an axis of stride 0 there is one id, however long it is.
    layout = layout[tuple(slice(None) if step else slice(1) for step in layout.strides)]
    axes = [axis for axis in range(layout.ndim) if (layout != layout.take([0], axis)).any()]
    if len(axes) > 1:
        raise AnalysisError(
            f"the channels of '{name}' are spread over axes {axes}",
            hint="choose a node whose channels lie along one axis",
        )
    axis = axes[0] if axes else min(1, layout.ndim - 1)
    line = np.moveaxis(layout, axis, 0).reshape(layout.shape[axis], -1)[:, 0]
    return np.broadcast_to(line, (shape[axis],))
