"""Where features are compared: picked from the graph, not from the names of layers."""

import networkx as nx
from torch import fx

from gancompress.graph import TracedGenerator

# No node of a graph has this name.
_SOURCE = ""


def distillation_points(traced: TracedGenerator, count: int) -> tuple[str, ...]:
    """Pick tensors that everything passes through, evenly spaced.

    A tensor qualifies if every path from the inputs to the output runs through it, its resolution
    is the lowest among those, and something other than a plain chain at that resolution follows:
    a branch, or a change of resolution. In the 9-block ResNet generator with four points these
    are the layers of GAN Compression (arXiv 2003.08936): after the last down-sampling
    activation and after blocks 3, 6 and 9.

    An input that conditions every block, as a label map does, goes around every tensor. Where
    that leaves too few, the input counts at one place alone, the one from which most blocks lie on
    the way, and those tensors qualify, at all resolutions, in which branches meet again: the
    outputs of the blocks. In the generator of GauGAN with four points these are the first, third,
    fifth and seventh.

    Args:
        traced: The teacher.
        count: Largest number of points.

    Returns:
        Names of nodes in the order of the graph; fewer than `count` where there are fewer.
    """
    if count == 0:
        return ()
    strict = _lowest_ends(traced)
    if len(strict) < count and not _is_chain(traced):
        meeting = _meetings(traced)
        if len(meeting) > len(strict):
            return _spread(meeting, count)
    return _spread(strict, count)


def _lowest_ends(traced: TracedGenerator) -> list[str]:
    nodes = {node.name: node for node in traced.module.graph.nodes}
    cuts = [
        name
        for name in _cuts(_flow(traced.module.graph))
        if nodes[name].op != "placeholder" and len(traced.shapes.get(name, ())) == 4
    ]
    if not cuts:
        return []
    lowest = min(_pixels(traced, name) for name in cuts)
    low = [name for name in cuts if _pixels(traced, name) == lowest]
    return [name for name in low if not _continues(nodes[name], set(low))]


def _meetings(traced: TracedGenerator) -> list[str]:
    """Return where branches of the main way meet again, other ways in from the inputs left out."""
    graph = traced.module.graph
    flow = _flow(graph)
    flow.remove_nodes_from([node.name for node in graph.nodes if _is_size(node)])
    place = {node.name: index for index, node in enumerate(graph.nodes)}
    entries = sorted(
        ((inlet, first) for inlet in flow.successors(_SOURCE) for first in flow.successors(inlet)),
        key=lambda edge: place[edge[1]],
    )
    found: list[str] = []
    for entry in entries:
        alone = flow.copy()
        alone.remove_edges_from([edge for edge in entries if edge != entry])
        meeting = _meetings_of(alone, traced)
        # The first of those that pass through most blocks: what enters later goes around some.
        if len(meeting) > len(found):
            found = meeting
    return found


def _meetings_of(flow: "nx.DiGraph[str]", traced: TracedGenerator) -> list[str]:
    reached = nx.descendants(flow, _SOURCE)
    return [
        name
        for name in _cuts(flow)
        if len(traced.shapes.get(name, ())) == 4
        and sum(before in reached for before in flow.predecessors(name)) > 1
    ]


def _is_chain(traced: TracedGenerator) -> bool:
    """Tell whether every input enters at one place."""
    inputs = [node for node in traced.module.graph.nodes if node.op == "placeholder"]
    return all(len([user for user in node.users if not _is_size(user)]) <= 1 for node in inputs)


def _is_size(node: fx.Node) -> bool:
    """Tell whether a node reads the size of a tensor, and nothing of what is in it."""
    if node.op == "call_method":
        return node.target in {"size", "dim"}
    return node.target is getattr and node.args[1:2] == ("shape",)


def _flow(graph: fx.Graph) -> "nx.DiGraph[str]":
    flow: nx.DiGraph[str] = nx.DiGraph()
    for node in graph.nodes:
        if node.op == "placeholder":
            flow.add_edge(_SOURCE, node.name)
        for before in node.all_input_nodes:
            flow.add_edge(before.name, node.name)
    return flow


def _cuts(flow: "nx.DiGraph[str]") -> list[str]:
    """Return the nodes that dominate the output, from the inputs on."""
    output = "output"
    if _SOURCE not in flow or output not in flow or not nx.has_path(flow, _SOURCE, output):
        return []
    dominators = nx.immediate_dominators(flow, _SOURCE)
    chain: list[str] = []
    at = output
    while (above := dominators.get(at)) is not None and above not in {at, _SOURCE}:
        chain.append(above)
        at = above
    return chain[::-1]


def _pixels(traced: TracedGenerator, name: str) -> int:
    height, width = traced.shapes[name][2:]
    return height * width


def _continues(node: fx.Node, low: set[str]) -> bool:
    users = list(node.users)
    return len(users) == 1 and users[0].name in low


def _spread(names: list[str], count: int) -> tuple[str, ...]:
    if len(names) <= count:
        return tuple(names)
    if count == 1:
        return (names[-1],)
    step = (len(names) - 1) / (count - 1)
    return tuple(names[round(i * step)] for i in range(count))
