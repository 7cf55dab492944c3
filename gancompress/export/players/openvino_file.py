"""Run an OpenVINO IR."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def load(
    path: str, device: str, settings: Mapping[str, Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Open a file.

    Args:
        path: The ``.xml``; its ``.bin`` lies beside it.
        device: ``cpu``, or what OpenVINO calls another device.
        settings: ``properties`` of the plugin, such as the precision that it computes in;
            ``threads`` is how many.

    Returns:
        A function of the inputs in their order.
    """
    import openvino  # noqa: PLC0415 - a part of an extra

    properties = {"PERFORMANCE_HINT": "LATENCY", **settings.get("properties", {})}
    threads = int(settings.get("threads") or os.environ.get("OMP_NUM_THREADS") or 0)
    if threads:
        properties["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino.Core().compile_model(str(path), device.upper(), properties)
    request = compiled.create_infer_request()

    def run(inputs: Sequence[Any]) -> list[Any]:
        results = request.infer(list(inputs))
        # The request keeps its memory for the next call.
        return [results[slot].copy() for slot in compiled.outputs]

    return run
