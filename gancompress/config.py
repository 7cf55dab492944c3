"""The configuration of every stage, as frozen pydantic models: the same keys in TOML and Python."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from gancompress.errors import ConfigError
from gancompress.settings import DistillSettings, Model

_Decay = Annotated[float, Field(ge=0, lt=1)]
# A step's seed is this times a billion plus the step, and torch takes 64 bits.
_LARGEST_SEED: Final = 2**32 - 1


class OptimiserConfig(Model):
    """Adam, and how its rate falls (by default as in pix2pix, arXiv 1611.07004).

    Args:
        lr: Learning rate of the generator.
        lr_discriminator: Learning rate of the discriminators; other than `lr` it is a
            two time-scale rule (TTUR, arXiv 1706.08500).
        betas: Adam's β₁ and β₂, in [0, 1).
        schedule: From `decay_from` on both rates fall: ``linear`` and ``cosine`` reach zero at the
            end, ``step`` multiplies by `decay_factor` every `decay_every`, ``constant`` stays.
        decay_from: Fraction of the steps, in [0, 1], after which the rates fall.
        decay_every: Fraction of the steps, in (0, 1], between two falls of ``step``.
        decay_factor: What ``step`` multiplies the rates by, in (0, 1).
        clip_grad_norm: Largest gradient norm of the generator; None for no clipping.
        clip_grad_norm_discriminator: The same of all discriminators together.
    """

    lr: float = Field(2e-4, gt=0)
    lr_discriminator: float = Field(2e-4, ge=0)
    betas: tuple[_Decay, _Decay] = (0.5, 0.999)
    schedule: Literal["linear", "cosine", "step", "constant"] = "linear"
    decay_from: float = Field(0.5, ge=0, le=1)
    decay_every: float = Field(0.1, gt=0, le=1)
    decay_factor: float = Field(0.5, gt=0, lt=1)
    clip_grad_norm: float | None = Field(None, gt=0)
    clip_grad_norm_discriminator: float | None = Field(None, gt=0)


class LoopConfig(Model):
    """What every training stage has.

    Args:
        steps: Optimiser steps.
        batch_size: Pictures a step, of all processes and micro-batches together.
        accumulate: Micro-batches a step: the batch is split, and their gradients are averaged.
        optimiser: Learning rates and schedule.
        precision: ``no`` for float32, ``bf16``, ``fp16``, which needs a GPU, or ``auto`` for
            ``bf16`` where the device has instructions for it and float32 elsewhere; weights,
            losses and optimisers stay float32.
        channels_last: Whether networks and pictures lie in memory channels last.
        compile: Whether `torch.compile` makes kernels of the discriminators, and of a generator
            whose widths stay the same; it needs a compiler.
        ema: Decay of the exponential moving average of the generator's weights; 0 for none.
        lambda_gan: Weight of the adversarial terms.
        lambda_recon: Weight of the reconstruction term.
        explodes_at: The training has exploded where the generator's loss is this many times its
            running median, in several steps one after the other; None looks for NaN alone.
        retry_rate: What the learning rates are multiplied by where a loss has exploded or is not
            finite, and the training goes back to the last good checkpoint, once; 0 for no second
            attempt.
        checkpoint_every: Steps between two checkpoints.
        sample_every: Steps between two grids of sample pictures; 0 for none.
        trackers: Where the losses are logged beside the run's ``events.jsonl``: ``tensorboard``,
            ``wandb``, ``mlflow``.
    """

    steps: int = Field(1000, ge=1)
    batch_size: int = Field(8, ge=1)
    accumulate: int = Field(1, ge=1)
    optimiser: OptimiserConfig = OptimiserConfig()
    precision: Literal["no", "bf16", "fp16", "auto"] = "no"
    channels_last: bool = False
    compile: bool = False
    ema: float = Field(0.0, ge=0, lt=1)
    lambda_gan: float = Field(1.0, ge=0)
    lambda_recon: float = Field(100.0, ge=0)
    explodes_at: float | None = Field(100.0, gt=1)
    retry_rate: float = Field(0.5, ge=0, lt=1)
    checkpoint_every: int = Field(250, ge=1)
    sample_every: int = Field(0, ge=0)
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()


class TrainConfig(LoopConfig):
    """A teacher from scratch: reconstruction is against the target."""


class DistillConfig(DistillSettings, LoopConfig):
    """A supernet, or one subnet, from a teacher."""


class IgnoredConfig(Model):
    """Which modules are left alone, neither narrowed nor decomposed.

    Args:
        names: Paths of modules; a container stands for everything inside it.
        patterns: Regular expressions that match whole paths.
        types: Names of classes, such as ``ConvTranspose2d``.
    """

    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @field_validator("patterns")
    @classmethod
    def _patterns_are_expressions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is no regular expression: {error}") from None
        return value


class SpaceConfig(Model):
    """Which widths are searched.

    Args:
        divisor: Producers end on multiples of this many channels.
        smallest: Smallest width as a fraction of the full one, in (0, 1].
        largest: Largest width as a fraction of the full one, in (0, 1].
        ignored: Modules that keep every channel, and are not decomposed either.
    """

    divisor: int = Field(8, ge=1)
    smallest: float = Field(0.25, gt=0, le=1)
    largest: float = Field(1.0, gt=0, le=1)
    ignored: IgnoredConfig = IgnoredConfig()


class DecomposeConfig(Model):
    """Which convolutions become depthwise + pointwise.

    Args:
        layers: Names of modules, ``resblocks`` for the convolutions between residual additions
            (also where the shortcut is a pointwise convolution), ``none``, or ``auto`` for those
            that the sensitivity of the teacher speaks for.
        method: ``separable``, ``low_rank`` (1×1 → k×k → 1×1), or ``cheapest`` of the two for each
            layer; the last two need `max_error`.
        multiplier: Depthwise filters for each channel.
        max_error: Largest relative error of a layer: ranks or multiplier are the cheapest that
            keep it, and layers where nothing does stay whole.
        fit: Training pictures that the new layers are fitted to by least squares; 0 approximates
            the weights alone.
        norm_between: Whether a norm stands between the two, as in the published networks; nothing
            is fitted then, as it undoes the fit.
        depthwise_bias: Whether the depthwise half has a bias too, as in the published networks.
        max_loss: With ``auto``, the largest sum of the layers' losses; as many MACs as that
            allows are saved.
        macs: With ``auto``, the most MACs of the teacher with nothing but its layers decomposed,
            as a number, ``3G`` or ``2x``; they are reached at the least loss. With neither,
            ``auto`` saves as many MACs as ``resblocks`` does, or half of what can be saved where
            there are no residual blocks.
        metric: With ``auto``, the metric that the losses are measured by, against the teacher's
            pictures.
        samples: With ``auto``, the validation pictures that they are measured on.
    """

    layers: tuple[str, ...] | Literal["resblocks", "none", "auto"] = "resblocks"
    method: Literal["separable", "low_rank", "cheapest"] = "separable"
    multiplier: int = Field(1, ge=1)
    max_error: float | None = Field(None, gt=0, lt=1)
    fit: int = Field(128, ge=0)
    norm_between: bool = False
    depthwise_bias: bool = False
    max_loss: float | None = Field(None, ge=0)
    macs: str | float | None = None
    metric: str = "perceptual-lite0"
    samples: int = Field(32, ge=1)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.max_loss is not None and self.macs is not None:
            raise ValueError("'max_loss' and 'macs' are both given, and one decides")
        return self

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        chosen = self.max_error is not None
        if self.method != "separable" and not chosen:
            raise ValueError(f"'method' is '{self.method}', which goes by 'max_error': give it too")
        if chosen and self.multiplier > 1:
            raise ValueError("'multiplier' and 'max_error' both say how many filters there are")
        if chosen and self.norm_between:
            raise ValueError("'norm_between' undoes what 'max_error' fits")
        plain = self.method == "separable" and not chosen and self.multiplier == 1
        if self.layers == "auto" and not (plain and self.fit and not self.norm_between):
            raise ValueError(
                "'auto' measures layers that are separable, with one filter, fitted and without a "
                "norm between: leave 'method', 'multiplier', 'max_error', 'fit' and "
                "'norm_between' as they are"
            )
        return self


class SearchConfig(Model):
    """How subnets are looked for.

    Args:
        macs: Largest true MACs, as a number or as ``3G``; ``8x`` means the teacher's divided by 8.
        params: Largest number of parameters, written likewise.
        macs_published: Largest MACs as the published tables count them, written likewise.
        memory: Most bytes of activations that are alive at once, written likewise: ``64M`` are 64
            million.
        latency_ms: Longest median of a forward pass in milliseconds, of one picture; measured in
            turns with the teacher.
        on: What runs it for `latency_ms`: ``torch`` for PyTorch itself, or an export target.
        trials: Subnets that are scored.
        sampler: ``evolution``, ``random``, ``exhaustive`` (every subnet), or Optuna's ``tpe``,
            ``gp``, or ``nsga2`` for the whole front.
        batch: Subnets that are proposed at once; None takes the sampler's own number. More than
            that many workers have nothing to do.
        pictures: Validation pictures that a subnet is scored on, at least two.
        score: Name of the metric that a subnet is scored by, against the targets.
        seeds: Whether the subnets that the run's sensitivity predicts best are scored early; it
            must have been measured.
    """

    macs: str | float | None = None
    params: str | float | None = None
    macs_published: str | float | None = None
    memory: str | float | None = None
    latency_ms: str | float | None = None
    on: str = "torch"
    trials: int = Field(40, ge=1)
    sampler: Literal["evolution", "exhaustive", "gp", "nsga2", "random", "tpe"] = "evolution"
    batch: int | None = Field(None, ge=1)
    pictures: int = Field(128, ge=2)
    score: str = "frechet-lite0"
    seeds: bool = False


class ExportConfig(Model):
    """What is written at the end.

    Args:
        target: Name of the export target.
        precision: What the compressed generator computes in; the teacher's file, which is there to
            be compared with, is always ``fp32``.
        device: Where the file will run, such as ``cpu`` or ``cuda``.
        tolerance: Largest absolute difference from the PyTorch net, in the picture's units; none
            takes 1e-3 for ``fp32``, 0.05 for ``fp16``, 0.5 for ``bf16``, and no limit for ``int8``.
        min_psnr: Smallest PSNR to the PyTorch net in dB, where the precision is not ``fp32``;
            layers that cost ``int8`` too much of it stay in float32.
        samples: Held-out pictures that are compared.
        calibration: Training pictures that ``int8`` is fitted to.
    """

    target: str = "onnx"
    precision: Literal["fp32", "bf16", "fp16", "int8"] = "fp32"
    device: str = "cpu"
    tolerance: float | None = Field(None, gt=0)
    min_psnr: float = Field(30.0, gt=0)
    samples: int = Field(16, ge=1)
    calibration: int = Field(64, ge=1)


class EvaluateConfig(Model):
    """What is measured at the end, beside the figures of the summary.

    Args:
        metrics: Names of further metrics, the core's or a plugin's.
    """

    metrics: tuple[str, ...] = ()


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


def parse(model: type[BaseModel], values: Any, *, source: str) -> Any:
    """Validate values against a model, with the first problem as one sentence.

    Args:
        model: The pydantic model.
        values: A mapping, as TOML gives it.
        source: What to name in the error, such as ``run.toml``.

    Returns:
        An instance of the model.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or model.__name__
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"'{where}' in {source} cannot be used: {message[:1].lower()}{message[1:]}",
            hint=f"known keys: {', '.join(_known(model, first['loc']))}",
        ) from None


def _known(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Return the keys that stand beside the one at a place."""
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.

    Returns:
        Its tables.

    Raises:
        ConfigError: If it does not exist or is not TOML.
    """
    try:
        # Editors of some systems begin a file with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"'{path}' cannot be read: {error.strerror}", hint="give the path of a TOML file"
        ) from None
    except ValueError as error:  # of the format, of the encoding, or a number of 5000 digits
        raise ConfigError(
            f"'{path}' is not TOML: {error}", hint="see docs/reference/config"
        ) from None
