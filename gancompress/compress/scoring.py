"""How a search scores a subnet: on validation pictures, without retraining."""

import math
from collections.abc import Callable
from typing import Final

from torch import nn

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
        return measure(net.to(device))

    return score, Figure(settings.score, math.nan, protocol)
