"""How a search scores a subnet: on validation pictures, without retraining."""

import math
from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from gancompress.compress.metrics import find_metrics, score_with
from gancompress.compress.prepare import Project
from gancompress.distill import Team, find_device
from gancompress.elastic import calibrate_batch_norm
from gancompress.metrics import Figure

CALIBRATION_PICTURES: Final = 128


def subnet_score(project: Project) -> tuple[Callable[[nn.Module], float], Figure]:
    """Return what scores a subnet, and how.

    Args:
        project: Gives the pictures, the metric and the settings.

    Returns:
        A function from a plain network in eval mode, whose batch-norm statistics it changes, to
        its score, lower being better; and a figure without a value that has the protocol.

    Raises:
        DataError: If the pictures are too few for the metric, or it needs what the data lack.
    """
    settings = project.config.search
    batches = project.batches("val", most=settings.pictures)
    chosen = find_metrics([settings.score], project.metrics)[settings.score]
    measure, protocol = score_with(chosen, batches)
    calibration = [b.inputs for b in project.batches("train", most=CALIBRATION_PICTURES)]
    # One process searches, or a worker of it, which must not wait for those that train.
    device = find_device(project.device, Team())

    def score(net: nn.Module) -> float:
        calibrate_batch_norm(net, calibration)
        with torch.inference_mode():
            return measure(quickened(net).to(device))

    return score, Figure(settings.score, math.nan, protocol)


def quickened(net: nn.Module) -> nn.Module:
    """Let instance norms run as group norms of one channel each: the same, and faster on a CPU.

    Of what was tried on the demo's subnets this alone pays: to trace, freeze or convert a subnet
    takes longer than all of its pictures (`tests/benchmarks/scoring_speed.py`).

    Args:
        net: In eval mode; changed in place.

    Returns:
        The same net, whose outputs stay as they are but for rounding.
    """
    norms = [
        (path, layer)
        for path, layer in net.named_modules()
        if isinstance(layer, _InstanceNorm) and not layer.track_running_stats
    ]
    for path, layer in norms:
        net.set_submodule(path, _OneChannelGroups(layer))
    return net


class _OneChannelGroups(nn.Module):
    """An instance norm by torch's group norm, which needs no copies of its scales."""

    def __init__(self, norm: _InstanceNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)
