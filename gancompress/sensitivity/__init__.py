"""What one change at a time costs, without training: which layers to decompose, how to narrow."""

from gancompress.sensitivity.changes import Change
from gancompress.sensitivity.compare import ERROR, Inputs, Measure, normalised_error
from gancompress.sensitivity.measure import joint_loss, layer_macs, sensitivity
from gancompress.sensitivity.prune import predicted_loss, prune, seeds
from gancompress.sensitivity.report import GroupEffect, LayerEffect, SensitivityReport

__all__ = [
    "ERROR",
    "Change",
    "GroupEffect",
    "Inputs",
    "LayerEffect",
    "Measure",
    "SensitivityReport",
    "joint_loss",
    "layer_macs",
    "normalised_error",
    "predicted_loss",
    "prune",
    "seeds",
    "sensitivity",
]
