"""Run an ONNX file in onnxruntime."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def load(
    path: str, device: str, settings: Mapping[str, Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Open a file.

    Args:
        path: The file.
        device: ``cpu`` or ``cuda``, or ``cuda:1``.
        settings: ``providers`` takes the place of the device's; ``threads`` is how many.

    Returns:
        A function of the inputs in their order.
    """
    import onnxruntime  # noqa: PLC0415 - a part of an extra

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    options.intra_op_num_threads = int(
        settings.get("threads") or os.environ.get("OMP_NUM_THREADS") or 0
    )
    kind, _, number = device.partition(":")
    own = [(PROVIDERS.get(kind, kind), {"device_id": number or "0"} if kind == "cuda" else {})]
    providers = [(name, dict(values)) for name, values in settings.get("providers", own)]
    session = onnxruntime.InferenceSession(Path(path).read_bytes(), options, providers=providers)
    names = [slot.name for slot in session.get_inputs()]

    def run(inputs: Sequence[Any]) -> list[Any]:
        return list(session.run(None, dict(zip(names, inputs, strict=True))))

    return run
