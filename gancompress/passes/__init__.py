"""Rewrites of a traced generator: fold, decompose, sort; and before an export, clean up."""

from gancompress.passes.activations import Patches, collect_activations
from gancompress.passes.base import GraphPass, run_passes
from gancompress.passes.candidates import Work
from gancompress.passes.convolutions import decomposable
from gancompress.passes.decompose import Decompose, Replacement
from gancompress.passes.drop import DropIdle
from gancompress.passes.fold import FoldReparametrisation
from gancompress.passes.fold_norms import FoldBatchNorm
from gancompress.passes.pads import MergePads
from gancompress.passes.pairs import MergePairs
from gancompress.passes.phases import SplitPhases
from gancompress.passes.repeats import MergeRepeats
from gancompress.passes.residual import residual_convolutions
from gancompress.passes.separable import Separated, separate, separate_transposed
from gancompress.passes.sort import SortChannels, unit_importance

__all__ = [
    "Decompose",
    "DropIdle",
    "FoldBatchNorm",
    "FoldReparametrisation",
    "GraphPass",
    "MergePads",
    "MergePairs",
    "MergeRepeats",
    "Patches",
    "Replacement",
    "Separated",
    "SortChannels",
    "SplitPhases",
    "Work",
    "collect_activations",
    "decomposable",
    "residual_convolutions",
    "run_passes",
    "separate",
    "separate_transposed",
    "unit_importance",
]
