"""The stages of the pipeline, each one function over a run directory."""

from gancompress.compress.configure import configure
from gancompress.compress.pipeline import Outcome, compress, outcome_figures
from gancompress.compress.prepare import Project, prepare
from gancompress.compress.stages import (
    distill_supernet,
    evaluate_pair,
    finetune_subnet,
    search_subnet,
)
from gancompress.compress.teacher import Teacher, train_teacher

__all__ = [
    "Outcome",
    "Project",
    "Teacher",
    "compress",
    "configure",
    "distill_supernet",
    "evaluate_pair",
    "finetune_subnet",
    "outcome_figures",
    "prepare",
    "search_subnet",
    "train_teacher",
]
