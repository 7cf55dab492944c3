"""The whole configuration: a recipe, and what meets it in a run directory."""

from pathlib import Path
from typing import Any, Final

from pydantic import Field, PositiveInt, field_validator

from gancompress.config.model import Model
from gancompress.config.stages import EvaluateConfig, ExportConfig, SearchConfig
from gancompress.config.structure import DecomposeConfig, SpaceConfig
from gancompress.config.training import DistillConfig, TrainConfig

# A step's seed is this times a billion plus the step, and torch takes 64 bits.
_LARGEST_SEED: Final = 2**32 - 1


class Recipe(Model):
    """A ready-made configuration that a family ships.

    Args:
        description: One sentence.
        demo: Whether `gancompress demo` takes this recipe when no family is named.
        options: The family's options.
        teacher: Folder of the shipped teacher, with ``generator.safetensors`` and
            ``discriminators.safetensors``; None where there is none.
        train: The teacher's training.
        decompose: Which layers are decomposed.
        space: Which widths are searched.
        distill: The supernet's training.
        search: The search.
        finetune: The chosen subnet's training.
        export: The export.
        evaluate: The evaluation.
        metrics: Options of metrics by the metric's name, such as ``{"fid": {"weights": "…"}}``.
    """

    description: str = ""
    demo: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    teacher: Path | None = None
    train: TrainConfig = TrainConfig()
    decompose: DecomposeConfig = DecomposeConfig()
    space: SpaceConfig = SpaceConfig()
    distill: DistillConfig = DistillConfig()
    search: SearchConfig = SearchConfig()
    finetune: DistillConfig = DistillConfig()
    export: ExportConfig = ExportConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict)


class RunConfig(Recipe):
    """The whole configuration of a run directory: a recipe, and what meets it.

    Args:
        family: Name of the GAN family.
        recipe: Name of the recipe that this configuration began with.
        generator: Reference of the user's own generator, ``pkg.mod:factory`` or
            ``file.py:factory``; None for the family's.
        inputs: Example shapes of the user's own generator by name, such as
            ``{"x": (1, 3, 64, 64)}``.
        seed: Seed of everything random, of 32 bits.
        teacher_sha256: Digest of the teacher's weights, which a run fills in: it is how a run
            directory knows its teacher, wherever that lies.
    """

    family: str
    recipe: str | None = None
    generator: str | None = None
    inputs: dict[str, tuple[PositiveInt, ...]] = Field(default_factory=dict)
    seed: int = Field(0, ge=0, le=_LARGEST_SEED)
    teacher_sha256: str | None = None

    @field_validator("family")
    @classmethod
    def _family_is_named(cls, value: str) -> str:
        if not value:
            raise ValueError("a family's name is not empty")
        return value
