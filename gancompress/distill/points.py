"""Where features are compared: picked from the graph, not from the names of layers."""

import networkx as nx
from torch import fx

from gancompress.graph import TracedGenerator


def distillation_points(traced: TracedGenerator, count: int) -> tuple[str, ...]:
    """Pick tensors that everything passes through, at the lowest resolution, evenly spaced.

    A tensor qualifies if every path from the inputs to the output runs through it, its resolution
    is the lowest among those, and something other than a plain chain at that resolution follows:
    a branch, or a change of resolution. In the 9-block ResNet generator with four points these
    are the layers of GAN Compression (arXiv 2003.08936): after the last down-sampling
    activation and after blocks 3, 6 and 9.

    Args:
        traced: The teacher.
        count: Largest number of points.

    Returns:
        Names of nodes in the order of the graph; fewer than `count` where there are fewer.
    """
    nodes = {node.name: node for node in traced.module.graph.nodes}
    cuts = [
        name
        for name in _cuts(traced.module.graph)
        if nodes[name].op != "placeholder" and len(traced.shapes.get(name, ())) == 4
    ]
    if not cuts or count == 0:
        return ()
    lowest = min(_pixels(traced, name) for name in cuts)
    low = [name for name in cuts if _pixels(traced, name) == lowest]
    ends = [name for name in low if not _continues(nodes[name], set(low))]
    return _spread(ends, count)


def _cuts(graph: fx.Graph) -> list[str]:
    """Return the nodes that dominate the output, in the order of the graph."""
    flow: nx.DiGraph[str] = nx.DiGraph()
    source = ""
    for node in graph.nodes:
        if node.op == "placeholder":
            flow.add_edge(source, node.name)
        for before in node.all_input_nodes:
            flow.add_edge(before.name, node.name)
    output = next(node for node in graph.nodes if node.op == "output").name
    if source not in flow or output not in flow:
        return []
    dominators = nx.immediate_dominators(flow, source)
    chain: list[str] = []
    at = output
    while (above := dominators.get(at)) is not None and above not in {at, source}:
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
