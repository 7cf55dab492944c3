"""The configuration of every stage, as frozen pydantic models: the same keys in TOML and Python."""

from gancompress.config.distillation import DistillSettings
from gancompress.config.model import Model
from gancompress.config.reading import parse, read_toml
from gancompress.config.run import Recipe, RunConfig
from gancompress.config.stages import EvaluateConfig, ExportConfig, SearchConfig
from gancompress.config.structure import DecomposeConfig, IgnoredConfig, SpaceConfig
from gancompress.config.training import DistillConfig, LoopConfig, OptimiserConfig, TrainConfig

__all__ = [
    "DecomposeConfig",
    "DistillConfig",
    "DistillSettings",
    "EvaluateConfig",
    "ExportConfig",
    "IgnoredConfig",
    "LoopConfig",
    "Model",
    "OptimiserConfig",
    "Recipe",
    "RunConfig",
    "SearchConfig",
    "SpaceConfig",
    "TrainConfig",
    "parse",
    "read_toml",
]
