"""What people look at: tables, progress, picture grids, the HTML report.

With `cli` the only place that has rich. What draws tensors is loaded when it is first used, so that
a report is written without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gancompress.report.advice import advice
from gancompress.report.bench import bench_lines, bench_tables, bench_width
from gancompress.report.bench_plot import check_bench_plot, save_bench_plot
from gancompress.report.data import data_table, problem_lines, source_lines
from gancompress.report.html import REPORT, Refresher, render_report, write_report
from gancompress.report.inspect import GraphView, frozen_reasons, inspection
from gancompress.report.progress import ProgressObserver
from gancompress.report.sensitivity import sensitivity_table
from gancompress.report.sensitivity_plot import check_plot, save_sensitivity_plot
from gancompress.report.table import (
    ModelFigures,
    figures_table,
    metric_lines,
    plain_text,
    summary_table,
)
from gancompress.report.trials import trials_table

if TYPE_CHECKING:
    from gancompress.report.grid import picture_grid, save_grid

_DRAWN = ("picture_grid", "save_grid")

__all__ = [
    "REPORT",
    "GraphView",
    "ModelFigures",
    "ProgressObserver",
    "Refresher",
    "advice",
    "bench_lines",
    "bench_tables",
    "bench_width",
    "check_bench_plot",
    "check_plot",
    "data_table",
    "figures_table",
    "frozen_reasons",
    "inspection",
    "metric_lines",
    "picture_grid",
    "plain_text",
    "problem_lines",
    "render_report",
    "save_bench_plot",
    "save_grid",
    "save_sensitivity_plot",
    "sensitivity_table",
    "source_lines",
    "summary_table",
    "trials_table",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _DRAWN:
        raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.grid"), name)
