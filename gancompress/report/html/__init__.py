"""The HTML report of runs: one file that opens offline. It is written without torch."""

from gancompress.report.html.page import REPORT, render_report, write_report
from gancompress.report.html.refresh import Refresher

__all__ = ["REPORT", "Refresher", "render_report", "write_report"]
