"""ExecuTorch, for phones and other devices without Python."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from gancompress.export.onnx_target import two_of
from gancompress.export.target import PLAYERS, ExportTarget, Wanted, require

# Memory is planned when the file is written, so sizes have an upper end.
_MOST_PICTURES: Final = 16
_LARGEST_SIDE: Final = 4


class ExecuTorchTarget(ExportTarget):
    """A ``.pte`` file (https://docs.pytorch.org/executorch), its convolutions run by XNNPACK.

    Memory is planned when the file is written: batches of up to 16 pictures, and up to 4 times as
    high and wide as the example.
    """

    name: str = "executorch"
    suffix: str = ".pte"
    extra: ClassVar[str] = "executorch"
    packages: ClassVar[tuple[str, ...]] = ("executorch",)
    player: ClassVar[Path | None] = PLAYERS / "executorch_file.py"

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write the file; see `ExportTarget.write`."""
        self.check()
        exir = require("executorch.exir", self.extra)
        xnnpack = require("executorch.backends.xnnpack.partition.xnnpack_partitioner", self.extra)
        examples = tuple(two_of(x[:2] if x.ndim else x) for x in inputs)
        shapes = tuple(_axes(x, wanted) for x in examples)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, examples, dynamic_shapes=shapes)
            lowered = exir.to_edge_transform_and_lower(
                program, partitioner=[xnnpack.XnnpackPartitioner()]
            )
            path.write_bytes(lowered.to_executorch().buffer)
        return {}


def _axes(x: Tensor, wanted: Wanted) -> dict[int, Any]:
    if not x.ndim:
        return {}
    axes: dict[int, Any] = {0: torch.export.Dim("batch", max=_MOST_PICTURES)}
    if x.ndim == 4 and wanted.dynamic == "full":
        for axis, name in ((2, "height"), (3, "width")):
            # The nets halve their pictures several times, so sizes are multiples.
            unit = torch.export.Dim(f"{name}_unit", max=max(2, _LARGEST_SIDE * x.shape[axis] // 4))
            axes[axis] = 4 * unit
    return axes
