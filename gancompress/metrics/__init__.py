"""How good the pictures are: metrics with their protocols, and what they are measured against."""

from gancompress.metrics.builtin import MeanAbsoluteError, PeakSignal, StructuralSimilarity
from gancompress.metrics.distances import FrechetLite0, KernelLite0, OnFeatures
from gancompress.metrics.evaluate import Evaluation, evaluate
from gancompress.metrics.fid import InceptionFrechet, InceptionKernel
from gancompress.metrics.figure import Figure, check_comparable, protocol_of, recovery
from gancompress.metrics.frechet import Gaussian, frechet_between, frechet_distance
from gancompress.metrics.inception import InceptionFeatures
from gancompress.metrics.kid import kernel_distance
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.lpips import Lpips
from gancompress.metrics.lpips_lite0 import LpipsLite0, perceptual_distance
from gancompress.metrics.metric import Measurement, Metric, Ruler
from gancompress.metrics.miou import MeanIou
from gancompress.metrics.pixel import l1, psnr
from gancompress.metrics.reference import ReferenceStatistics, Scores, pictures_of
from gancompress.metrics.statistics import RealStatistics, StatisticsCache

__all__ = [
    "Evaluation",
    "Figure",
    "FrechetLite0",
    "Gaussian",
    "InceptionFeatures",
    "InceptionFrechet",
    "InceptionKernel",
    "KernelLite0",
    "Lite0Features",
    "Lpips",
    "LpipsLite0",
    "MeanAbsoluteError",
    "MeanIou",
    "Measurement",
    "Metric",
    "OnFeatures",
    "PeakSignal",
    "RealStatistics",
    "ReferenceStatistics",
    "Ruler",
    "Scores",
    "StatisticsCache",
    "StructuralSimilarity",
    "check_comparable",
    "evaluate",
    "frechet_between",
    "frechet_distance",
    "kernel_distance",
    "l1",
    "perceptual_distance",
    "pictures_of",
    "protocol_of",
    "psnr",
    "recovery",
]
