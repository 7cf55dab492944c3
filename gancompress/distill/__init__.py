"""Training: the loop that teachers, supernets and chosen subnets share."""

from gancompress.distill.critics import PictureObjective, shape_critics
from gancompress.distill.distill import distill
from gancompress.distill.learner import check_loop
from gancompress.distill.loop import Draw, FitResult, fit
from gancompress.distill.loss import (
    Channels,
    Comparison,
    DistillLoss,
    FeatureLoss,
    PictureLoss,
)
from gancompress.distill.losses import core_losses, find_losses
from gancompress.distill.observe import check_trackers
from gancompress.distill.points import distillation_points
from gancompress.distill.processes import Team, find_device, is_first_to_fail, is_launched, leave
from gancompress.distill.student import StudentTask
from gancompress.distill.task import TeacherTask, TrainingTask

__all__ = [
    "Channels",
    "Comparison",
    "DistillLoss",
    "Draw",
    "FeatureLoss",
    "FitResult",
    "PictureLoss",
    "PictureObjective",
    "StudentTask",
    "TeacherTask",
    "Team",
    "TrainingTask",
    "check_loop",
    "check_trackers",
    "core_losses",
    "distill",
    "distillation_points",
    "find_device",
    "find_losses",
    "fit",
    "is_first_to_fail",
    "is_launched",
    "leave",
    "shape_critics",
]
