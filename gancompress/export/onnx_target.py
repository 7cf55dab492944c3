"""ONNX, run by onnxruntime."""

import inspect
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn

from gancompress.errors import ExportError
from gancompress.export.casting import in_precision
from gancompress.export.target import PLAYERS, Dynamic, ExportTarget, Precision, Wanted, require

_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_QUANTISED: Final = ("Conv", "ConvTranspose", "MatMul", "Gemm")


class OnnxTarget(ExportTarget):
    """One ``.onnx`` file by torch's dynamo exporter (https://onnx.ai), weights included.

    Inputs keep the names of the generator's arguments. Pictures ``(N, C, H, W)`` leave N, H and
    W open; other inputs leave their first axis open. Files above 2 GB are beyond the format.
    ``int8`` is onnxruntime's static quantisation: weights by channel in 7 bits, so that processors
    without VNNI do not saturate, activations by tensor.
    """

    name: str = "onnx"
    extra: ClassVar[str] = "onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
    player: ClassVar[Path | None] = PLAYERS / "onnx_file.py"

    def available(self, device: str = "cpu") -> str | None:
        """Ask onnxruntime for the device's provider; see `ExportTarget.available`."""
        reason = super().available()
        if reason is not None:
            return reason
        provider = _PROVIDERS.get(device.partition(":")[0])
        if provider in require("onnxruntime", "onnx").get_available_providers():
            return None
        return f"onnxruntime has no device '{device}' here"

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write the file; see `ExportTarget.write`."""
        self.check()
        names = input_names(model, len(inputs))
        model = in_precision(model, wanted.precision)
        if wanted.precision != "int8":
            write_onnx(model, path, inputs, wanted.dynamic, names)
            return {}
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.onnx"
            write_onnx(model, plain, inputs, wanted.dynamic, names)
            _quantise(plain, path, wanted, names)
        return {}


def input_names(model: nn.Module, count: int) -> list[str]:
    """Return the names of the first arguments of a network.

    Args:
        model: The network.
        count: How many inputs it is given.
    """
    return list(inspect.signature(model.forward).parameters)[:count]


def write_onnx(
    model: nn.Module, path: Path, inputs: tuple[Tensor, ...], dynamic: Dynamic, names: list[str]
) -> None:
    """Write a network as ONNX.

    Args:
        model: In eval mode.
        path: Where to write.
        inputs: Positional inputs.
        dynamic: Sizes that stay open.
        names: What the inputs are called.

    Raises:
        ExportError: If the exporter has no translation of an operator, which is named.
        Exception: What the exporter raises else.
    """
    # Of a batch of one the exporter might conclude that there is never a second picture.
    examples = tuple(two_of(x) for x in inputs)
    shapes: Any = tuple(open_axes(x, dynamic) for x in examples)
    if "*" in str(inspect.signature(model.forward)):  # a cast network
        shapes = (shapes,)
    with warnings.catch_warnings():
        # Deprecations inside the exporter are not the user's.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                model,
                examples,
                path,
                input_names=names,
                dynamic_shapes=shapes,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise _reason(error) from None


def _reason(error: Exception) -> Exception:
    """Name the operator that has no translation; elsewise return the innermost error."""
    seen: list[BaseException] = [error]
    while (cause := seen[-1].__cause__) is not None and cause not in seen:
        seen.append(cause)
    for one in seen:
        found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", str(one))
        if found:
            opset = torch.onnx._constants.ONNX_DEFAULT_OPSET  # noqa: SLF001 - nowhere else
            return ExportError(
                f"operator '{found[1]}' has no counterpart in ONNX (opset {opset})",
                hint="write the generator with other operators, or choose another target",
            )
    # The outer ones only tell which step failed, with advice for those who write exporters.
    return ValueError(str(seen[-1]))


def two_of(x: Tensor) -> Tensor:
    """Return a batch of at least two, so that no exporter takes the batch for constant."""
    return x.expand(2, *x.shape[1:]).contiguous() if x.ndim and len(x) == 1 else x


def open_axes(x: Tensor, dynamic: Dynamic) -> dict[int, Any]:
    """Return the axes of an input that a file leaves open, as `torch.export` writes them."""
    axes = (0, 2, 3) if x.ndim == 4 and dynamic == "full" else (0,) if x.ndim else ()
    return dict.fromkeys(axes, torch.export.Dim.DYNAMIC)


def _quantise(plain: Path, path: Path, wanted: Wanted, names: list[str]) -> None:
    onnx: Any = require("onnx", "onnx")
    quantization: Any = require("onnxruntime.quantization", "onnx")
    kept = {f"{layer}.weight" for layer in wanted.kept}
    nodes = onnx.load(plain).graph.node
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It advises a step for other networks, by way of the root logger.
        root.setLevel(logging.ERROR)
        quantization.quantize_static(
            plain,
            path,
            _reader(quantization, wanted, names),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_exclude=[node.name for node in nodes if kept & set(node.input)],
        )
        root.setLevel(level)


def _reader(quantization: Any, wanted: Wanted, names: list[str]) -> Any:
    calls: Iterator[dict[str, Any]] = (
        dict(zip(names, (np.asarray(x) for x in call), strict=True)) for call in wanted.calibration
    )

    class Calls(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            return next(calls, None)

    return Calls()
