"""What people look at: tables, progress, picture grids. With `cli` the only place that has rich."""

from gancompress.report.advice import advice
from gancompress.report.data import data_table, problem_lines, source_lines
from gancompress.report.grid import picture_grid, save_grid
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

__all__ = [
    "GraphView",
    "ModelFigures",
    "ProgressObserver",
    "advice",
    "check_plot",
    "data_table",
    "figures_table",
    "frozen_reasons",
    "inspection",
    "metric_lines",
    "picture_grid",
    "plain_text",
    "problem_lines",
    "save_grid",
    "save_sensitivity_plot",
    "sensitivity_table",
    "source_lines",
    "summary_table",
    "trials_table",
]
