"""Run a saved model in PyTorch: as it is, or compiled. Like `gancompress.export.players`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def load(
    path: str, device: str, settings: Mapping[str, Any]
) -> Callable[[Sequence[Any]], list[Any]]:
    """Open a model.

    Args:
        path: The folder that `CompressedModel.save` wrote.
        device: Where the network goes.
        settings: ``compile`` says that ``torch.compile`` makes it quicker; ``threads`` is how many.

    Returns:
        A function of the inputs in their order.
    """
    import torch  # noqa: PLC0415 - measured apart from what it loads
    from torch.utils import _pytree as pytree  # noqa: PLC0415

    from gancompress.export import CompressedModel  # noqa: PLC0415

    if settings.get("threads"):
        torch.set_num_threads(settings["threads"])
    net: Any = CompressedModel.load(path).module.to(device).eval()
    if settings.get("compile"):
        net = torch.compile(net, dynamic=False)

    def run(inputs: Sequence[Any]) -> list[Any]:
        with torch.no_grad():
            found = net(*(torch.from_numpy(x).to(device) for x in inputs))
        return [x.cpu().numpy() for x in pytree.tree_leaves(found) if isinstance(x, torch.Tensor)]

    return run
