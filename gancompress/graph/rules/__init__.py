"""One rule per kind of operator: what it does to channels, and how much it multiplies."""

from gancompress.graph.rules.base import OpCall, OpRule, Part
from gancompress.graph.rules.combine import CombineRule
from gancompress.graph.rules.contract import AttentionRule, EinsumRule, MatmulRule
from gancompress.graph.rules.functional import (
    FunctionalConvRule,
    FunctionalLinearRule,
    FunctionalNormRule,
)
from gancompress.graph.rules.keep import CreateRule, ElementwiseRule, PadRule, SpatialRule
from gancompress.graph.rules.norms import (
    ChannelNormRule,
    GroupNormRule,
    LayerNormRule,
    PReLURule,
    SoftmaxRule,
)
from gancompress.graph.rules.producers import (
    ConvRule,
    EmbeddingRule,
    LinearRule,
    add_part,
    own_outputs,
)
from gancompress.graph.rules.reduce import ReduceRule
from gancompress.graph.rules.reshape import (
    ChannelShuffleRule,
    PixelShuffleRule,
    PixelUnshuffleRule,
    ReshapeRule,
)
from gancompress.graph.rules.split import GLURule, IndexRule, SplitRule, UnbindRule
from gancompress.graph.rules.views import (
    CatRule,
    ExpandRule,
    RepeatRule,
    RollRule,
    TupleRule,
    ViewRule,
)

__all__ = ["OpCall", "OpRule", "Part", "add_part", "builtin_rules", "own_outputs"]


def builtin_rules() -> tuple[OpRule, ...]:
    """Return the rules of the core, the first that matches an operator counts."""
    return (
        *(ConvRule(), LinearRule(), EmbeddingRule()),
        *(ChannelNormRule(), GroupNormRule(), LayerNormRule(), PReLURule(), SoftmaxRule()),
        *(ElementwiseRule(), SpatialRule(), PadRule(), CreateRule()),
        *(ReduceRule(), CombineRule(), MatmulRule(), EinsumRule(), AttentionRule()),
        *(TupleRule(), IndexRule(), SplitRule(), GLURule(), UnbindRule()),
        *(ReshapeRule(), PixelShuffleRule(), PixelUnshuffleRule(), ChannelShuffleRule()),
        *(ViewRule(), ExpandRule(), CatRule(), RepeatRule(), RollRule()),
        *(FunctionalConvRule(), FunctionalLinearRule(), FunctionalNormRule()),
    )
