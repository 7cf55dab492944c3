"""The core's export targets, and how one is found by its name."""

from collections.abc import Sequence

from gancompress.errors import ExportError
from gancompress.export.executorch_target import ExecuTorchTarget
from gancompress.export.onnx_target import OnnxTarget
from gancompress.export.openvino_target import OpenVinoTarget
from gancompress.export.program_target import PackageTarget, ProgramTarget
from gancompress.export.target import ExportTarget
from gancompress.export.tensorrt_target import TensorRtTarget
from gancompress.export.torch_target import TorchTarget


def core_targets() -> list[ExportTarget]:
    """Return what the core can write; none of them loads its library before it is used."""
    return [
        OnnxTarget(),
        OpenVinoTarget(),
        TorchTarget(),
        ProgramTarget(),
        PackageTarget(),
        ExecuTorchTarget(),
        TensorRtTarget(),
    ]


def find_target(name: str, more: Sequence[ExportTarget] = ()) -> ExportTarget:
    """Look an export target up.

    Args:
        name: Its name.
        more: Targets beside the core's, such as those of plugins.

    Raises:
        ExportError: If there is none of this name.
    """
    known = {one.name: one for one in (*core_targets(), *more)}
    if name not in known:
        raise ExportError(f"'{name}' is no export target", hint=f"choose of {', '.join(known)}")
    return known[name]
