"""The stages of the pipeline, each one function over a run directory."""

from gancompress.compress.benching import compare_with_teacher
from gancompress.compress.checkpoint import TeacherWeights, keep_teacher
from gancompress.compress.configure import configure, scale_steps
from gancompress.compress.generator import build_generator
from gancompress.compress.inspect_data import (
    DataReport,
    PartFigures,
    Problem,
    inspect_data,
    metrics_asked,
)
from gancompress.compress.job import Job
from gancompress.compress.opening import open_run, open_teacher_run, read_config
from gancompress.compress.pipeline import Outcome, compress, exported_file, run_stages
from gancompress.compress.prepare import Project, prepare
from gancompress.compress.ranking import check_ranking
from gancompress.compress.real_pictures import keep_statistics
from gancompress.compress.records import load_sensitivity, read_summary
from gancompress.compress.results import (
    bench_models,
    evaluate_models,
    evaluate_pair,
    export_models,
)
from gancompress.compress.searching import search_subnet
from gancompress.compress.sensitivity import (
    Examined,
    Question,
    begin_sensitivity,
    measure_sensitivity,
)
from gancompress.compress.stages import (
    begun_subnet,
    distill_supernet,
    finetune_subnet,
)
from gancompress.compress.subject import Subject, open_subject
from gancompress.compress.summary import summarise, write_summary
from gancompress.compress.teacher import Lesson, Teacher, begin_teacher, train_teacher
from gancompress.compress.workers import Workers

__all__ = [
    "DataReport",
    "Examined",
    "Job",
    "Lesson",
    "Outcome",
    "PartFigures",
    "Problem",
    "Project",
    "Question",
    "Subject",
    "Teacher",
    "TeacherWeights",
    "Workers",
    "begin_sensitivity",
    "begin_teacher",
    "begun_subnet",
    "bench_models",
    "build_generator",
    "check_ranking",
    "compare_with_teacher",
    "compress",
    "configure",
    "distill_supernet",
    "evaluate_models",
    "evaluate_pair",
    "export_models",
    "exported_file",
    "finetune_subnet",
    "inspect_data",
    "keep_statistics",
    "keep_teacher",
    "load_sensitivity",
    "measure_sensitivity",
    "metrics_asked",
    "open_run",
    "open_subject",
    "open_teacher_run",
    "prepare",
    "read_config",
    "read_summary",
    "run_stages",
    "scale_steps",
    "search_subnet",
    "summarise",
    "train_teacher",
    "write_summary",
]
