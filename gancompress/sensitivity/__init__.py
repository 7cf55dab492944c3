"""What one change at a time costs, without training: which layers to decompose, how to narrow."""

from gancompress.sensitivity.changes import Change
from gancompress.sensitivity.measure import Measure, sensitivity
from gancompress.sensitivity.prune import predicted_loss, prune, seeds
from gancompress.sensitivity.report import GroupEffect, LayerEffect, SensitivityReport

__all__ = [
    "Change",
    "GroupEffect",
    "LayerEffect",
    "Measure",
    "SensitivityReport",
    "predicted_loss",
    "prune",
    "seeds",
    "sensitivity",
]
