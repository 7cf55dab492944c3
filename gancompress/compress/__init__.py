"""The stages of the pipeline, each one function over a run directory."""

from gancompress.compress.configure import configure
from gancompress.compress.teacher import Teacher, train_teacher

__all__ = ["Teacher", "configure", "train_teacher"]
