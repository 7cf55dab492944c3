"""OpenVINO IR, the fastest on processors of Intel and AMD."""

import io
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from torch import Tensor, nn

from gancompress.export.onnx_target import input_names, write_onnx
from gancompress.export.target import PLAYERS, ExportTarget, Precision, Wanted, require

_HINTS: Final = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}


class OpenVinoTarget(ExportTarget):
    """An ``.xml`` file and its ``.bin`` (https://docs.openvino.ai), by way of ONNX.

    ONNX keeps an instance norm in one piece, which OpenVINO then runs as one operator (MVN);
    `torch.export` takes it apart into about sixteen. The precision is a hint to the processor,
    kept in the card: ``bf16`` and ``fp16`` are computed so where it can (AMX, AVX-512), and in
    float32 elsewhere; ``fp16`` halves the file as well. ``int8`` is NNCF's post-training
    quantisation.
    """

    name: str = "openvino"
    suffix: str = ".xml"
    extra: ClassVar[str] = "openvino"
    packages: ClassVar[tuple[str, ...]] = ("openvino", "onnx", "onnxscript")
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32", "bf16", "fp16", "int8")
    player: ClassVar[Path | None] = PLAYERS / "openvino_file.py"

    def companions(self, path: Path) -> tuple[Path, ...]:
        """Name the file with the weights; see `ExportTarget.companions`."""
        return (path.with_suffix(".bin"),)

    def available(self, device: str = "cpu") -> str | None:
        """Ask OpenVINO for the device; see `ExportTarget.available`."""
        reason = super().available()
        if reason is not None or device.upper() in self._devices():
            return reason
        return f"OpenVINO has no device '{device}' here, only {', '.join(self._devices())}"

    def _devices(self) -> list[str]:
        return list(require("openvino", self.extra).Core().available_devices)

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        """Write both files; see `ExportTarget.write`."""
        self.check()
        openvino = require("openvino", self.extra)
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.onnx"
            write_onnx(model, plain, inputs, wanted.dynamic, input_names(model, len(inputs)))
            # Not `convert_model`, which sends statistics of its use to its makers.
            program = openvino.Core().read_model(plain)
        if wanted.precision == "int8":
            program = _quantised(program, wanted)
        openvino.save_model(program, path, compress_to_fp16=wanted.precision == "fp16")
        return {"properties": {"INFERENCE_PRECISION_HINT": _HINTS[wanted.precision]}}


def _quantised(program: Any, wanted: Wanted) -> Any:
    kept = {f"{layer}.weight" for layer in wanted.kept}
    names = [
        node.get_friendly_name() for node in program.get_ordered_ops() if kept & _sources(node)
    ]
    calls = [tuple(np.asarray(x) for x in call) for call in wanted.calibration]
    with _quietly():
        nncf = require("nncf", "openvino")
        nncf.set_log_level(logging.ERROR)
        return nncf.quantize(
            program,
            nncf.Dataset(calls, lambda call: call[0] if len(call) == 1 else call),
            subset_size=len(calls),
            ignored_scope=nncf.IgnoredScope(names=names, validate=False),
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep NNCF's progress off stdout, and its statistics of our users on this machine."""
    before = os.environ.get("CI")
    os.environ["CI"] = "true"  # the one switch that its telemetry has
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before


def _sources(node: Any) -> set[str]:
    """Name the constants that a node reads, through a reshape of grouped weights."""
    found = set()
    for slot in node.inputs():
        source = slot.get_source_output().get_node()
        inner = [i.get_source_output().get_node() for i in source.inputs()]
        found |= {one.get_friendly_name() for one in (source, *inner)}
    return found
