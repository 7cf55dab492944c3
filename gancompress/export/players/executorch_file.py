"""Run an ExecuTorch program."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def load(
    path: str, device: str, settings: Mapping[str, Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Open a file.

    Args:
        path: The ``.pte``.
        device: Only ``cpu``.
        settings: Not used.

    Returns:
        A function of the inputs in their order.
    """
    import torch  # noqa: PLC0415 - other players do without
    from executorch.runtime import Runtime  # noqa: PLC0415 - a part of an extra

    del device, settings
    program = Runtime.get().load_program(str(path))
    method = program.load_method("forward")

    def run(inputs: Sequence[Any]) -> list[Any]:
        # Programs are written for one order in memory, and do not check it.
        found = method.execute([torch.from_numpy(x).contiguous() for x in inputs])
        # What it gives lies in its own memory, which the next call writes into.
        return [x.numpy().copy() for x in found]

    return run
