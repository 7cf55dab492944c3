"""Listen to feature maps inside a supernet, for distillation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from gancompress.elastic.supernet import Supernet


class Tap(nn.Module):
    """A supernet that also returns the values of some nodes; `Supernet.tap` makes one.

    Weights and the current width are the supernet's own, now and later.

    Args:
        supernet: The supernet.
        names: Names of tensor-valued nodes of its graph.
    """

    def __init__(self, supernet: "Supernet", names: Sequence[str]) -> None:
        super().__init__()
        self.supernet = supernet
        self.names = tuple(names)

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Tensor]]:
        """Run the supernet at its current width.

        Args:
            *args: The generator's inputs.
            **kwargs: The same by name.

        Returns:
            The output, and the value of each node with its active channels only, with gradient.
        """
        return self.supernet.program.run(args, kwargs, self.names)
