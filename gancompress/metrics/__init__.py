"""How good the pictures are: Fréchet and kernel distances, pixel errors, recovery."""

from gancompress.metrics.builtin import FrechetLite0, KernelLite0, MeanAbsoluteError, PeakSignal
from gancompress.metrics.evaluate import Evaluation, evaluate, recovery
from gancompress.metrics.frechet import Gaussian, frechet_between, frechet_distance
from gancompress.metrics.kid import kernel_distance
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.metric import Metric
from gancompress.metrics.perceptual import PerceptualLite0, perceptual_distance
from gancompress.metrics.pixel import l1, psnr
from gancompress.metrics.reference import ReferenceStatistics, Scores, pictures_of

__all__ = [
    "Evaluation",
    "FrechetLite0",
    "Gaussian",
    "KernelLite0",
    "Lite0Features",
    "MeanAbsoluteError",
    "Metric",
    "PeakSignal",
    "PerceptualLite0",
    "ReferenceStatistics",
    "Scores",
    "evaluate",
    "frechet_between",
    "frechet_distance",
    "kernel_distance",
    "l1",
    "perceptual_distance",
    "pictures_of",
    "psnr",
    "recovery",
]
