"""Plain PyTorch: a Python module that anyone can read, and a state dict."""

import runpy
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from gancompress.export.graph import describe_graph, spelt_out, state_of
from gancompress.export.python_source import python_source
from gancompress.export.target import Dynamic, ExportTarget
from gancompress.graph import trace
from gancompress.store import save_tensors


class TorchTarget(ExportTarget):
    """A ``.py`` file that builds the network of torch's layers, and its ``.safetensors`` weights.

    Needs torch and safetensors, and not this package. The weights have the names of the layers of
    the generator that was compressed. To import such a file runs it: take it only from people
    that you trust.
    """

    name = "torch"
    suffix = ".py"

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Name the file with the weights; see `ExportTarget.companions`."""
        return (path.with_suffix(".safetensors"),)

    def export(
        self, model: nn.Module, path: Path, example_inputs: tuple[Tensor, ...], dynamic: Dynamic
    ) -> Path:
        """Write both files; see `ExportTarget.export`."""
        del dynamic  # sizes stay open wherever the network's own code leaves them open
        graph = model if isinstance(model, fx.GraphModule) else trace(model, example_inputs).module
        graph = spelt_out(graph, example_inputs, {})
        described = describe_graph(graph)
        (weights,) = self.companions(path)
        state = state_of(graph, described)
        save_tensors(weights, state)
        digest = sha256(weights.read_bytes()).hexdigest()
        name = path.stem.removeprefix(".").partition(".")[0]
        source = python_source(described, state, name, digest)
        path.write_text(source, encoding="utf-8")
        return path

    def run(self, path: Path, inputs: tuple[Tensor, ...], device: str) -> tuple[Tensor, ...]:
        """Run the module; see `ExportTarget.run`."""
        generator: Any = runpy.run_path(str(path))["load"]().to(device)
        with torch.no_grad():
            outputs = pytree.tree_leaves(generator(*(x.to(device) for x in inputs)))
        return tuple(x.cpu() for x in outputs if isinstance(x, Tensor))
