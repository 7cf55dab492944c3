"""What is searched, as a record in the run: the groups in order, what was decomposed, coverage."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from torch import nn

from gancompress.compress.prepare import Project
from gancompress.store import RunDirectory, write_json

FILE: Final = "architecture.json"


def keep_architecture(run: RunDirectory, project: Project) -> None:
    """Write ``architecture.json``, which stays the same for all stages of a run.

    Args:
        run: An open run directory.
        project: Gives teacher and supernet.

    Raises:
        StorageError: If it cannot be written.
    """
    place = run.path(FILE)
    if not place.is_file():
        write_json(place, architecture_values(project))


def architecture_values(project: Project) -> dict[str, Any]:
    """Describe the generator that is searched: decomposed and sorted, at full width.

    Args:
        project: Gives teacher and supernet.

    Returns:
        ``groups`` in the order of their first producers, ``decomposed`` layers with the layers
        that took their places, and ``coverage``, of the supernet as `ChannelGraph.coverage` has it.
    """
    graph = project.supernet.graph
    return {
        "groups": [
            {
                "key": group.key,
                "units": group.units,
                "width": group.width,
                "producers": list(group.producers),
                "consumers": list(group.consumers),
                "frozen": group.frozen,
                "statistics_coupled": group.statistics_coupled,
                "choices": list(project.supernet.space.choices.get(group.key, ())),
            }
            for group in graph.groups
        ],
        "decomposed": _decomposed(
            dict(project.teacher.module.named_modules()),
            dict(project.supernet.traced.module.named_modules()),
        ),
        "coverage": asdict(graph.coverage()),
    }


def _decomposed(
    before: Mapping[str, nn.Module], after: Mapping[str, nn.Module]
) -> list[dict[str, Any]]:
    """Find the layers in whose place there are several now."""
    return [
        {
            "layer": path,
            "kind": type(layer).__name__,
            "parts": [name for name, _ in after[path].named_children()],
        }
        for path, layer in before.items()
        if next(layer.parameters(recurse=False), None) is not None
        and next(after.get(path, layer).children(), None) is not None
        and next(layer.children(), None) is None
    ]
