"""Compress any conditional image generator: trace, analyse, decompose, distill, search, export.

Importing the package imports no torch: every name below is loaded when it is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "trace": "graph",
    "analyse": "graph",
    "TracedGenerator": "graph",
    "ChannelGraph": "graph",
    "ChannelGroup": "graph",
    "OpRule": "graph",
    "IgnoredScope": "graph",
    "run_passes": "passes",
    "GraphPass": "passes",
    "FoldReparametrisation": "passes",
    "Decompose": "passes",
    "SortChannels": "passes",
    "SearchSpace": "elastic",
    "SubnetConfig": "elastic",
    "Supernet": "elastic",
    "Cost": "cost",
    "Budget": "cost",
    "measure_cost": "cost",
    "distill": "distill",
    "search": "search",
    "SearchResult": "search",
    "sensitivity": "sensitivity",
    "SensitivityReport": "sensitivity",
    "Trial": "search",
    "CompressedModel": "export",
    "ExportTarget": "export",
    "export": "export",
    "load": "export",
    "Metric": "metrics",
    "Measurement": "metrics",
    "Ruler": "metrics",
    "hookimpl": "hookspecs",
    "compress": "compress",
    "open_subject": "compress",
    "Subject": "compress",
    "GancompressError": "errors",
    "MissingExtraError": "errors",
    "DataError": "errors",
    "SubnetError": "errors",
}

if TYPE_CHECKING:
    from gancompress.compress import Subject, compress, open_subject
    from gancompress.cost import Budget, Cost, measure_cost
    from gancompress.distill import distill
    from gancompress.elastic import SearchSpace, SubnetConfig, Supernet
    from gancompress.errors import (
        DataError,
        GancompressError,
        MissingExtraError,
        SubnetError,
    )
    from gancompress.export import CompressedModel, ExportTarget, export, load
    from gancompress.graph import (
        ChannelGraph,
        ChannelGroup,
        IgnoredScope,
        OpRule,
        TracedGenerator,
        analyse,
        trace,
    )
    from gancompress.hookspecs import hookimpl
    from gancompress.metrics import Measurement, Metric, Ruler
    from gancompress.passes import (
        Decompose,
        FoldReparametrisation,
        GraphPass,
        SortChannels,
        run_passes,
    )
    from gancompress.search import SearchResult, Trial, search
    from gancompress.sensitivity import SensitivityReport, sensitivity

__all__ = [
    "Budget",
    "ChannelGraph",
    "ChannelGroup",
    "CompressedModel",
    "Cost",
    "DataError",
    "Decompose",
    "ExportTarget",
    "FoldReparametrisation",
    "GancompressError",
    "GraphPass",
    "IgnoredScope",
    "Measurement",
    "Metric",
    "MissingExtraError",
    "OpRule",
    "Ruler",
    "SearchResult",
    "SearchSpace",
    "SensitivityReport",
    "SortChannels",
    "Subject",
    "SubnetConfig",
    "SubnetError",
    "Supernet",
    "TracedGenerator",
    "Trial",
    "analyse",
    "compress",
    "distill",
    "export",
    "hookimpl",
    "load",
    "measure_cost",
    "open_subject",
    "run_passes",
    "search",
    "sensitivity",
    "trace",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'gancompress' has no attribute {name!r}")
    return getattr(import_module(f"gancompress.{home}"), name)


class _Package(ModuleType):
    """The package, in which `search`, `distill`, `sensitivity` and others are functions.

    Importing the sub-package of the same name would otherwise put a module in their place.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
