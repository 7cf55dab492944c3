"""Training: the loop that teachers, supernets and chosen subnets share."""

from gancompress.distill.distill import PictureObjective, distill
from gancompress.distill.learner import check_loop
from gancompress.distill.loop import Draw, FitResult, fit
from gancompress.distill.loss import DistillLoss
from gancompress.distill.observe import check_trackers
from gancompress.distill.points import distillation_points
from gancompress.distill.processes import Team, find_device, is_first_to_fail, is_launched, leave
from gancompress.distill.student import StudentTask
from gancompress.distill.task import TeacherTask, TrainingTask

__all__ = [
    "DistillLoss",
    "Draw",
    "FitResult",
    "PictureObjective",
    "StudentTask",
    "TeacherTask",
    "Team",
    "TrainingTask",
    "check_loop",
    "check_trackers",
    "distill",
    "distillation_points",
    "find_device",
    "fit",
    "is_first_to_fail",
    "is_launched",
    "leave",
]
