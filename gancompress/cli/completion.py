"""What the shell completes. It is asked at every press of a key, so nothing here loads torch."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final, get_args

import typer

from gancompress.config import ExportConfig, SearchConfig

Completer = Callable[[str], list[str]]

# The core's own. Those of plugins are known once they are loaded, and they load torch.
METRICS: Final = (
    "fid",
    "frechet-lite0",
    "kid",
    "kid-lite0",
    "l1",
    "lpips",
    "miou",
    "lpips-lite0",
    "psnr",
    "ssim",
)
TARGETS: Final = ("aoti", "executorch", "onnx", "openvino", "program", "tensorrt", "torch")


def among(names: tuple[str, ...]) -> Completer:
    """Return what completes one of some names.

    Args:
        names: All there are.
    """

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


complete_metric: Final = among(METRICS)
complete_target: Final = among(TARGETS)
complete_sampler: Final = among(get_args(SearchConfig.model_fields["sampler"].annotation))
complete_precision: Final = among(get_args(ExportConfig.model_fields["precision"].annotation))


def complete_family(incomplete: str) -> list[str]:
    """Return the installed plugins that begin like this: one of a family bears its name.

    Args:
        incomplete: What has been typed.
    """
    return [point.name for point in _plugins() if point.name.startswith(incomplete)]


def complete_recipe(context: typer.Context, incomplete: str) -> list[str]:
    """Return the recipes that begin like this: TOML files in the folder ``recipes`` of a plugin.

    Args:
        context: Holds the family, where one has been typed; without one, all recipes are named.
        incomplete: What has been typed.
    """
    # An argument is still among the words that are left, as this option has no value yet.
    given = {context.params.get("family"), context.params.get("family_flag"), *context.args}
    plugins = _plugins()
    found = {
        file.stem
        for point in [one for one in plugins if one.name in given] or plugins
        for folder in _folders(point)
        for file in (folder / "recipes").glob("*.toml")
    }
    return sorted(name for name in found if name.startswith(incomplete))


def _plugins() -> list[EntryPoint]:
    return sorted(entry_points(group="gancompress"), key=lambda point: point.name)


def _folders(point: EntryPoint) -> Iterator[Path]:
    # The package is found and not imported; a plugin of one module has no folder of its own.
    try:
        spec = find_spec(point.module.partition(".")[0])
    except (ImportError, ValueError):
        return
    yield from map(Path, (spec.submodule_search_locations or ()) if spec is not None else ())
