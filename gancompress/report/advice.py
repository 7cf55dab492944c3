"""What a user can do about channels that are frozen, by the reason that the analysis gives."""

import re
from typing import Final

PAGE: Final = "docs/how-to/operators"

_RULE: Final = "give the operator a rule"
# The first expression that is found in a reason counts.
_ADVICE: Final = (
    (r"^network (input|output)$", "nothing: it is the picture, or stands beside it"),
    (r"is ignored on request$", "take it out of what is ignored"),
    (r"^a single unit|^it has no channels", "nothing: there is none to spare"),
    (r"verification: ", "test the rules of its operators with OpRuleContract"),
    (r"cannot read the call|laid out another shape", "correct the rule: OpRuleContract tests it"),
    (r"it is opaque", "move what cannot be traced out of it, or give its class a rule"),
    (r"is reparametrised", "fold it first, with FoldReparametrisation; `compress` does"),
    (r"belongs to a module inside", "let the layer hold the tensor itself, or leave the rule out"),
    (r"is used outside a layer", "do not change it in place, or make a layer of it"),
    (r"they are (places|outputs)", "nothing: these are no channels"),
    (r"unequal parts|a single channel|by a step", "state the sizes: torch.split(x, [3, 5], 1)"),
    (r"it is tied to a tensor", "make the tensor a parameter or buffer, or of size 1 there"),
    (r"used by another operator too|shared by layers", "give each its own weight"),
    (r"states a number", "read the number of channels off a tensor: x.shape[1], or -1 in a view"),
    (r": ", "write it without that, or " + _RULE),
)


def advice(reason: str) -> str:
    """Return what can be done about a reason; the page in the documentation has the details.

    Args:
        reason: Why channels are frozen, as the analysis puts it.
    """
    return next((text for pattern, text in _ADVICE if re.search(pattern, reason)), _RULE)


def without_module(reason: str) -> str:
    """Return a reason without the module that a function was called in, to add equal ones up.

    Args:
        reason: Such as ``fft2 in 'body.3' at net.py:41``.
    """
    return re.sub(r" in '[^']*' at ", " at ", reason)
