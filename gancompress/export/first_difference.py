"""Find the layer at which an exported file begins to differ from the network."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from gancompress.export.proof import errors_between, outputs_of
from gancompress.export.target import ExportTarget, Wanted
from gancompress.graph.values import TensorSpec, node_values


def first_difference(
    module: nn.Module,
    target: ExportTarget,
    inputs: tuple[Tensor, ...],
    wanted: Wanted,
    *,
    tolerance: float,
    file: Path,
) -> str | None:
    """Name the first layer whose output differs, by exporting ever shorter parts of the network.

    Args:
        module: The network that was written.
        target: The format.
        inputs: Positional inputs of one call.
        wanted: How it was written.
        tolerance: Largest difference, for outputs up to 1; for larger ones in proportion.
        file: Where the parts may be written.

    Returns:
        The layer's path or the operator's name; None where the network is no graph, or no part
        of it can be written alone.
    """
    if not isinstance(module, fx.GraphModule):
        return None
    values = node_values(module, inputs, {})
    names = [
        node.name
        for node in module.graph.nodes
        if node.op in {"call_module", "call_function", "call_method"}
        and isinstance(values.get(node), TensorSpec)
    ]

    def differs(place: int) -> bool:
        part = _up_to(module, names[place])
        run = target.load(file, wanted.device, target.write(part, file, inputs, wanted))
        found = [torch.from_numpy(x) for x in run([x.numpy() for x in inputs])]
        right = outputs_of(part, inputs)
        if [x.shape for x in found] != [x.shape for x in right]:
            return True
        scale = max(1.0, *(float(x.abs().max()) for x in right))
        return not errors_between(found, right).largest <= tolerance * scale

    try:
        place = _first(differs, len(names))
    except Exception:  # noqa: BLE001 - this only explains a failure, and must not be one
        return None
    node = next(n for n in module.graph.nodes if n.name == names[place])
    return str(node.target) if node.op == "call_module" else node.name


def _first(differs: Callable[[int], bool], count: int) -> int:
    """Bisect: what follows a layer that differs differs too."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if differs(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _up_to(module: fx.GraphModule, name: str) -> fx.GraphModule:
    """Copy a graph up to one node, which becomes its output."""
    part = copy.deepcopy(module)
    last = next(node for node in part.graph.nodes if node.name == name)
    (output,) = part.graph.find_nodes(op="output")
    output.args = (last,)
    for node in reversed(list(part.graph.nodes)):
        if node.op not in {"placeholder", "output"} and not node.users:
            part.graph.erase_node(node)
    part.delete_all_unused_submodules()
    part.recompile()
    return part
