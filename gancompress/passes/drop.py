"""Drop what does nothing in eval mode: dropout and identities."""

from typing import ClassVar

from torch import fx, nn
from torch.nn import functional as F

from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes.base import GraphPass
from gancompress.passes.rewriting import finish, layer_of, skip

_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_FUNCTIONS = frozenset({F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout})
_FUNCTION_TRAINS = {F.dropout: True, F.alpha_dropout: False}


class DropIdle(GraphPass):
    """Remove identities, and dropout that is in eval mode.

    Requires nothing. Ensures that the output is the same bit for bit. Dropout that is on in eval
    mode, as ``F.dropout(x)`` is unless told otherwise, is left alone.
    """

    name: ClassVar[str] = "drop-idle"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator without them.

        Args:
            traced: It is left as it is.
        """
        module = copy_module(traced.module)
        for node in list(module.graph.nodes):
            if _is_idle(node, module):
                skip(node)
        return traced.with_module(finish(module))


def _is_idle(node: fx.Node, module: fx.GraphModule) -> bool:
    if not node.args or not isinstance(node.args[0], fx.Node):
        return False
    if layer_of(node, module, (nn.Identity,)) is not None:
        return True
    dropout = layer_of(node, module, _DROPOUT)
    if dropout is not None:
        return not dropout.training
    if node.op != "call_function" or node.target not in _FUNCTIONS:
        return False
    given = node.args[2] if len(node.args) > 2 else node.kwargs.get("training")
    # What is not said has the function's own default.
    default = _FUNCTION_TRAINS.get(node.target, True)
    return (default if given is None else given) is False
