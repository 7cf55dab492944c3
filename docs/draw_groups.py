"""Draw the picture of "how it works": a small generator, its channel groups, and a narrow subnet.

Everything in it is computed: the groups by `analyse`, the halves of a decomposed layer by
`Decompose`, the widths by a subnet. Run it with: python docs/draw_groups.py docs/images/groups.svg
"""

import sys
from html import escape
from pathlib import Path

import torch
from torch import Tensor, nn

import gancompress

INK, FROZEN = "#222", "#999"
COLOURS = (
    "#2b6cb0",
    "#c05621",
    "#2f855a",
    "#805ad5",
)  # each with its name beside it: not by hue alone
LEFT, ROW, FULL = 34, 62, 200  # pixels: margin, height of a layer, length of its bar at the widest


class Small(nn.Module):
    """A convolution, a residual block, a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 32, 3, padding=1)
        self.first = nn.Conv2d(32, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 32, 3, padding=1)
        self.leave = nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).relu()
        x = x + self.second(self.first(x).relu())
        return self.leave(x).tanh()


def text(x: float, y: float, words: str, *, colour: str = INK, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}>{escape(words)}</text>'


def bar(x: float, y: float, share: float, colour: str) -> str:
    whole = f'<rect x="{x}" y="{y}" width="{FULL}" height="10" fill="none" stroke="{FROZEN}"/>'
    return whole + f'<rect x="{x}" y="{y}" width="{FULL * share}" height="10" fill="{colour}"/>'


def column(
    x: float,
    title: str,
    graph: gancompress.ChannelGraph,
    widths: dict[str, int],
    colours: dict[str, str],
) -> list[str]:
    """Draw the layers of a net in the order in which they run."""
    parts = [text(x, 30, title, bold=True)]
    made = [(layer, group) for group in graph.groups for layer in group.producers]
    order = ["enter", "first", "second", "leave"]
    made.sort(key=lambda pair: (order.index(pair[0].partition(".")[0]), pair[0]))
    for row, (layer, group) in enumerate(made):
        y = 60 + row * ROW
        width = widths.get(group.key, group.width)
        colour = FROZEN if group.frozen else colours.get(group.key, INK)
        state = f"group {group.key}" if group.frozen is None else "frozen: the picture"
        parts.append(text(x, y, f"{named(layer)}: {width} of {group.width}"))
        parts.append(bar(x, y + 6, width / group.width, colour))
        parts.append(text(x, y + 30, state, colour=colour))
    # The shortcut: what `enter` makes is added to what `second` makes, so both are one group.
    top, bottom = 60 + 11, 60 + 2 * ROW + 11
    parts.append(
        f'<path d="M{x - 3} {top} h-12 V{bottom} h12" fill="none" stroke="{INK}"'
        ' marker-end="url(#arrow)"/>'
    )
    parts.append(text(x - 27, (top + bottom) / 2, "+", bold=True))
    return parts


def named(layer: str) -> str:
    name, dot, _ = layer.partition(".")
    return f"{name}, depthwise and 1×1" if dot else name


def draw() -> str:
    torch.manual_seed(0)
    example = (torch.zeros(1, 3, 16, 16),)
    traced = gancompress.trace(Small().eval(), example)
    graph = gancompress.analyse(traced, verify=True)
    passes = [gancompress.Decompose("resblocks"), gancompress.SortChannels()]
    student = gancompress.run_passes(traced, passes)
    supernet = gancompress.Supernet(student, gancompress.SearchSpace.multiples_of(8))
    inner = gancompress.analyse(student)
    keys = dict.fromkeys([g.key for g in (*graph.searchable(), *inner.searchable())])
    colours = dict(zip(keys, COLOURS, strict=False))
    half = dict.fromkeys(supernet.space.smallest().widths, 16)
    columns = [
        *column(LEFT, "analyse: which go together", graph, {}, colours),
        *column(LEFT + 300, "decompose: depthwise, pointwise", inner, {}, colours),
        *column(LEFT + 600, "elastic: one of the subnets", inner, half, colours),
    ]
    rows = max(len([p for g in net.groups for p in g.producers]) for net in (graph, inner))
    height = 60 + rows * ROW
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 {height}" '
    style = 'font-family="sans-serif" font-size="13" role="img">'
    title = "<title>A small generator: its channel groups, decomposed, and narrowed</title>"
    arrow = (
        '<defs><marker id="arrow" markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>'
    )
    paper = f'<rect width="900" height="{height}" fill="#fff"/>'
    return "\n".join([head + style, title, arrow, paper, *columns, "</svg>", ""])


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/groups.svg")
    target.write_text(draw(), encoding="utf-8")
