"""What `gancompress search` shows: the subnets that no other beats in both MACs and score."""

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from gancompress.report.units import MISSING, count, figure

if TYPE_CHECKING:
    from gancompress.search import SearchResult


def trials_table(found: "SearchResult") -> Table:
    """Lay out the best subnets of a search.

    Args:
        found: The search, with at least one trial.

    Returns:
        A table of at most 80 columns, MACs ascending; the best subnet says so in words.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=f"{len(found.trials)} subnets, of which no other beats these",
        title_justify="left",
        title_style="bold",
    )
    for name in ("number", "MACs", "parameters", "latency, ms", "score", ""):
        table.add_column(name, justify="right", no_wrap=True)
    shown = {trial.number: trial for trial in (*found.front, found.best)}
    for trial in sorted(shown.values(), key=lambda one: (one.cost.macs, one.number)):
        latency = trial.cost.latency_ms
        table.add_row(
            str(trial.number),
            count(trial.cost.macs),
            count(trial.cost.params),
            MISSING if latency is None else figure(latency, 2),
            figure(trial.score, 4),
            "best" if trial.number == found.best.number else "",
        )
    return table
