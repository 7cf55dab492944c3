"""Training: the loop that teachers, supernets and chosen subnets share."""

from gancompress.distill.distill import PictureObjective, distill
from gancompress.distill.loop import FitResult, fit
from gancompress.distill.loss import DistillLoss
from gancompress.distill.points import distillation_points
from gancompress.distill.student import StudentTask
from gancompress.distill.task import TeacherTask, TrainingTask

__all__ = [
    "DistillLoss",
    "FitResult",
    "PictureObjective",
    "StudentTask",
    "TeacherTask",
    "TrainingTask",
    "distill",
    "distillation_points",
    "fit",
]
