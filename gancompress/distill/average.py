"""The moving average of a generator's weights."""

from typing import Final

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

STATISTICS: Final = ("running_mean", "running_var")


class MovingAverage(AveragedModel):
    """An exponential moving average of parameters and batch-norm statistics.

    Statistics are averaged too, since those of the live net do not fit averaged weights. All other
    buffers are the live net's: an average of singular vectors, which spectral norm keeps, is no
    unit vector, and would change the scale of every weight.

    Args:
        generator: The live net; it is copied.
        decay: In (0, 1).
    """

    def __init__(self, generator: nn.Module, decay: float) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(generator, multi_avg_fn=average, use_buffers=True)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the live net's weights in.

        Args:
            model: The live net.
        """
        super().update_parameters(model)
        live = dict(model.named_buffers())
        for name, buffer in self.module.named_buffers():
            if not name.endswith(STATISTICS):
                buffer.copy_(live[name])
