"""ONNX, run by onnxruntime."""

import inspect
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from gancompress.errors import ExportError, MissingExtraError
from gancompress.export.target import Dynamic, ExportTarget

_PROVIDERS: Final = (("cpu", "CPUExecutionProvider"), ("cuda", "CUDAExecutionProvider"))


class OnnxTarget(ExportTarget):
    """One ``.onnx`` file by torch's dynamo exporter (https://onnx.ai), weights included.

    Inputs keep the names of the generator's arguments. Pictures ``(N, C, H, W)`` leave N, H and
    W open; other inputs leave their first axis open. Files above 2 GB are beyond the format.
    """

    name = "onnx"

    def check(self) -> None:
        """Ask for the libraries; see `ExportTarget.check`."""
        for package in ("onnx", "onnxscript", "onnxruntime"):
            _require(package)

    def export(
        self, model: nn.Module, path: Path, example_inputs: tuple[Tensor, ...], dynamic: Dynamic
    ) -> Path:
        """Write the file; see `ExportTarget.export`."""
        _require("onnx")
        _require("onnxscript")
        # Of a batch of one the exporter might conclude that there is never a second picture.
        examples = tuple(_two(x) for x in example_inputs)
        names = list(inspect.signature(model.forward).parameters)[: len(examples)]
        with warnings.catch_warnings():
            # Deprecations inside the exporter are not the user's.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                examples,
                path,
                input_names=names,
                dynamic_shapes=tuple(_axes(x, dynamic) for x in examples),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        return path

    def run(self, path: Path, inputs: tuple[Tensor, ...], device: str) -> tuple[Tensor, ...]:
        """Run the file in onnxruntime; see `ExportTarget.run`."""
        runtime: Any = _require("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised, not printed
        session = runtime.InferenceSession(
            path.read_bytes(), options, providers=[_provider(runtime, device)]
        )
        feeds = zip(session.get_inputs(), inputs, strict=True)
        results = session.run(None, {slot.name: x.numpy(force=True) for slot, x in feeds})
        return tuple(torch.from_numpy(np.asarray(result)) for result in results)


def _require(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package, "onnx") from None


def _provider(runtime: Any, device: str) -> str:
    provider = dict(_PROVIDERS).get(device.partition(":")[0])
    if provider not in runtime.get_available_providers():
        raise ExportError(
            f"onnxruntime has no device '{device}' here",
            hint="take 'cpu', or install onnxruntime-gpu for 'cuda'",
        )
    return str(provider)


def _two(x: Tensor) -> Tensor:
    return x.expand(2, *x.shape[1:]).contiguous() if x.ndim and len(x) == 1 else x


def _axes(x: Tensor, dynamic: Dynamic) -> dict[int, Any]:
    axes = (0, 2, 3) if x.ndim == 4 and dynamic == "full" else (0,) if x.ndim else ()
    return dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
