"""TensorRT, by way of onnxruntime's provider."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from torch import Tensor, nn

from gancompress.export.onnx_target import OnnxTarget
from gancompress.export.target import Precision, Wanted, require

_PROVIDER: Final = "TensorrtExecutionProvider"


class TensorRtTarget(OnnxTarget):
    """A ``.trt.onnx`` file that onnxruntime hands over to TensorRT, which builds engines from it.

    Engines are built on the machine that runs the file, when it is loaded, and stand in the folder
    ``NAME.engines`` beside it; operators that TensorRT does not know run in CUDA. Needs
    onnxruntime-gpu and TensorRT, and has not been run on a GPU by us.
    """

    name: str = "tensorrt"
    suffix: str = ".trt.onnx"
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "fp16", "int8")

    def available(self, device: str = "cpu") -> str | None:
        """Ask onnxruntime for TensorRT; see `ExportTarget.available`."""
        del device  # TensorRT knows only its own
        reason = super().available()
        if (
            reason is not None
            or _PROVIDER in require("onnxruntime", "onnx").get_available_providers()
        ):
            return reason
        return (
            "onnxruntime has no TensorRT here: it takes onnxruntime-gpu, TensorRT and an NVIDIA GPU"
        )

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write the file; see `ExportTarget.write`."""
        # TensorRT casts by itself, and keeps in float32 what would overflow.
        written: Precision = "int8" if wanted.precision == "int8" else "fp32"
        super().write(model, path, inputs, replace(wanted, precision=written))
        return {"providers": _providers(wanted, path)}


def _providers(wanted: Wanted, path: Path) -> list[Any]:
    options = {
        "device_id": wanted.device.partition(":")[2] or "0",
        "trt_fp16_enable": str(wanted.precision == "fp16"),
        "trt_int8_enable": str(wanted.precision == "int8"),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": f"{path.stem.lstrip('.').partition('.')[0]}.engines",
    }
    return [[_PROVIDER, options], ["CUDAExecutionProvider", {}], ["CPUExecutionProvider", {}]]
