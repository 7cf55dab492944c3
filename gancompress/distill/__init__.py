"""Training: the loop that teachers, supernets and chosen subnets share."""

from gancompress.distill.critics import PictureObjective, shape_critics
from gancompress.distill.distill import distill
from gancompress.distill.loop import FitResult, fit
from gancompress.distill.loss import (
    Channels,
    Comparison,
    DistillLoss,
    FeatureLoss,
    PictureLoss,
)
from gancompress.distill.losses import core_losses, find_losses
from gancompress.distill.points import distillation_points
from gancompress.distill.student import StudentTask
from gancompress.distill.task import TeacherTask, TrainingTask

__all__ = [
    "Channels",
    "Comparison",
    "DistillLoss",
    "FeatureLoss",
    "FitResult",
    "PictureLoss",
    "PictureObjective",
    "StudentTask",
    "TeacherTask",
    "TrainingTask",
    "core_losses",
    "distill",
    "distillation_points",
    "find_losses",
    "fit",
    "shape_critics",
]
