"""Run a Python module of plain torch layers with its safetensors beside it."""

import runpy
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def load(
    path: str, device: str, settings: Mapping[str, Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Open a file; this runs it.

    Args:
        path: The ``.py``.
        device: Where the network goes.
        settings: Not used.

    Returns:
        A function of the inputs in their order.
    """
    import torch  # noqa: PLC0415 - other players do without
    from torch.utils import _pytree as pytree  # noqa: PLC0415

    del settings
    generator = runpy.run_path(str(path))["load"]().to(device)

    def run(inputs: Sequence[Any]) -> list[Any]:
        with torch.no_grad():
            found = generator(*(torch.from_numpy(x).to(device) for x in inputs))
        return [x.cpu().numpy() for x in pytree.tree_leaves(found) if isinstance(x, torch.Tensor)]

    return run
