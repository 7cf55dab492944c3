"""The once-for-all supernet: elastic layers, the space of widths, and subnets as values."""

from gancompress.elastic.calibrate import calibrate_batch_norm
from gancompress.elastic.config import SubnetConfig
from gancompress.elastic.estimate import MacEstimate
from gancompress.elastic.layer import ElasticModule
from gancompress.elastic.space import SearchSpace, SpaceRule
from gancompress.elastic.supernet import Supernet
from gancompress.elastic.tap import Tap

__all__ = [
    "ElasticModule",
    "MacEstimate",
    "SearchSpace",
    "SpaceRule",
    "SubnetConfig",
    "Supernet",
    "Tap",
    "calibrate_batch_norm",
]
