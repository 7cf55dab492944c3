"""Training: the loop that teachers, supernets and chosen subnets share."""

from gancompress.distill.loop import FitResult, fit
from gancompress.distill.task import TeacherTask, TrainingTask

__all__ = ["FitResult", "TeacherTask", "TrainingTask", "fit"]
