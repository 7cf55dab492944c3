"""Plain PyTorch: a Python module that anyone can read, and a state dict."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, fx, nn

from gancompress.export.graph import describe_graph, spelt_out, state_of
from gancompress.export.python_source import python_source
from gancompress.export.target import PLAYERS, ExportTarget, Wanted
from gancompress.graph import trace
from gancompress.passes import FoldReparametrisation, run_passes
from gancompress.store import save_tensors


class TorchTarget(ExportTarget):
    """A ``.py`` file that builds the network of torch's layers, and its ``.safetensors`` weights.

    Needs torch and safetensors, and not this package. The weights have the names of the layers of
    the generator that was compressed. To import such a file runs it: take it only from people
    that you trust.
    """

    name: str = "torch"
    suffix: str = ".py"
    executes_code: ClassVar[bool] = True
    cleans: ClassVar[bool] = False  # so that layers and weights keep the generator's names
    player: ClassVar[Path | None] = PLAYERS / "torch_module.py"

    def available(self, device: str = "cpu") -> str | None:
        """Ask torch for the device; see `ExportTarget.available`."""
        if device == "cpu" or (device.partition(":")[0] == "cuda" and torch.cuda.is_available()):
            return None
        return f"torch has no device '{device}' here"

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Name the file with the weights; see `ExportTarget.companions`."""
        return (path.with_suffix(".safetensors"),)

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write both files; see `ExportTarget.write`."""
        del wanted  # sizes stay open wherever the network's own code leaves them open
        graph = spelt_out(_plain_graph(model, inputs), inputs, {})
        described = describe_graph(graph)
        (weights,) = self.companions(path)
        state = state_of(graph, described)
        save_tensors(weights, state)
        digest = sha256(weights.read_bytes()).hexdigest()
        name = path.stem.removeprefix(".").partition(".")[0]
        source = python_source(described, state, name, digest)
        path.write_text(source, encoding="utf-8")
        return {}


def _plain_graph(model: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    if isinstance(model, fx.GraphModule):
        return model
    # Weights that are computed at every call, as spectral norm does, have no place in a state dict.
    return run_passes(trace(model, inputs), [FoldReparametrisation()]).module
