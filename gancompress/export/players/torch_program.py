"""Run a program of torch.export, or a package that AOTInductor has compiled.

Both execute code that is in the file: load only your own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def load(
    path: str, device: str, settings: Mapping[str, Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Open a file.

    Args:
        path: The ``.pt2``.
        device: Where the inputs go; a package runs where it was compiled for.
        settings: ``compiled`` says that it is a package.

    Returns:
        A function of the inputs in their order.
    """
    import torch  # noqa: PLC0415 - other players do without
    from torch.utils import _pytree as pytree  # noqa: PLC0415

    if settings.get("compiled"):
        from torch._inductor import aoti_load_package  # noqa: PLC0415 - its documented home

        program: Any = aoti_load_package(str(path))
    else:
        exported = torch.export.load(str(path))
        if device != "cpu":
            from torch.export.passes import move_to_device_pass  # noqa: PLC0415

            exported = move_to_device_pass(exported, device)
        program = exported.module()

    def run(inputs: Sequence[Any]) -> list[Any]:
        # Compiled code reads one order in memory, and does not check it.
        tensors = [torch.from_numpy(x).contiguous().to(device) for x in inputs]
        with torch.no_grad():
            found = program(*tensors)
        return [x.cpu().numpy() for x in pytree.tree_leaves(found) if isinstance(x, torch.Tensor)]

    return run
