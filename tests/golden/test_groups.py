"""The groups of every generator of the table, as text files: a change of them is looked at.

``pytest tests/golden --update-golden`` writes them anew.
"""

import re
from pathlib import Path

import pytest
from generators.case import Case
from generators.test_generators import CASES

from gancompress.graph import ChannelGraph, analyse, trace
from gancompress.passes import run_passes

FOLDER = Path(__file__).parent / "groups"


def path_of(case: Case) -> Path:
    return FOLDER / f"{re.sub(r'[^a-z0-9]+', '-', case.name.lower()).strip('-')}.txt"


def text_of(graph: ChannelGraph) -> str:
    """Write groups, coverage and what is counted anew, one thing a line."""
    lines = []
    for group in graph.groups:
        coupled = ", statistics-coupled" if group.statistics_coupled else ""
        lines += [
            f"{group.key}: {group.units} units, {group.width} channels{coupled}",
            f"  made by {' '.join(group.producers)}",
        ]
        lines += [f"  read by {' '.join(group.consumers)}"] if group.consumers else []
        lines += [f"  frozen: {group.frozen}"] if group.frozen else []
    cover = graph.coverage()
    lines.append("")
    for name in ("elastic", "coupled", "frozen", "total"):
        share = getattr(cover, name)
        lines.append(f"{name}: {share.params} parameters, {share.macs} MACs")
    lines += [
        f"  {share.params} parameters, {share.macs} MACs: {reason}"
        for reason, share in sorted(cover.reasons.items())
    ]
    lines += [f"tensor {name}" for name in sorted(graph.tensors)]
    lines += [f"counted: {size.node} {list(size.place)}" for size in graph.sizes]
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_groups(case: Case, request: pytest.FixtureRequest) -> None:
    traced = trace(case.make().eval(), case.args(), case.kwargs())
    found = text_of(analyse(run_passes(traced, [make() for make in case.passes])))
    path = path_of(case)
    if request.config.getoption("--update-golden"):
        path.write_text(found)
    assert path.read_text() == found


def test_every_file_belongs_to_a_generator() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {path_of(case).name for case in CASES}
