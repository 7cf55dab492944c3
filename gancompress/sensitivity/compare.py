"""Pictures of a net, and how far they are from the teacher's."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from gancompress.errors import DataError

Measure: TypeAlias = Callable[[Tensor, Tensor], float]
"""A distance between a net's pictures and the teacher's ``(N, …)``: lower is better."""
Inputs: TypeAlias = Sequence[tuple[Tensor, ...]]

ERROR: Final = "error"


def finite_loss(measure: Measure, drawn: Tensor, teacher: Tensor) -> float | None:
    """Return a loss; None where it, or a picture, is not finite.

    Args:
        measure: The distance.
        drawn: Pictures.
        teacher: Those of the teacher.
    """
    # Extractors refuse pictures that are not finite, and here they are a result.
    if not torch.isfinite(drawn).all():
        return None
    value = float(measure(drawn, teacher))
    return value if math.isfinite(value) else None


def pictures_of(net: nn.Module, inputs: Inputs) -> Tensor:
    """Return what a net draws of all inputs, on the CPU.

    Args:
        net: In eval mode.
        inputs: Batches of positional inputs.

    Raises:
        DataError: If it returns no single tensor.
    """
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    drawn = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # a net that draws noise of its own draws the same in every variant
        for batch in inputs:
            output: Any = net(*(x.to(device) for x in batch))
            if not isinstance(output, Tensor):
                raise DataError(
                    f"the generator returns '{type(output).__name__}', not a tensor of pictures",
                    hint="wrap it so that it returns the picture alone",
                )
            drawn.append(output.detach().cpu())
    return torch.cat(drawn)


def normalised_error(drawn: Tensor, teacher: Tensor) -> float:
    """Return the squared error over the variance of the teacher's pictures.

    Args:
        drawn: Pictures of any shape.
        teacher: Those of the teacher, of the same shape.

    Returns:
        0 for the same pictures, 1 for a net that draws the teacher's mean value everywhere.

    Raises:
        DataError: If the shapes differ.
    """
    if drawn.shape != teacher.shape:
        raise DataError(
            f"the changed generator drew {tuple(drawn.shape)}, and the teacher "
            f"{tuple(teacher.shape)}",
            hint="leave the layer alone, with `ignored`",
        )
    drawn, teacher = drawn.detach().double(), teacher.detach().double()
    error, spread = drawn - teacher, teacher - teacher.mean()
    variance = float(spread.square().mean())
    return float(error.square().mean()) / max(variance, torch.finfo(torch.float32).tiny)
