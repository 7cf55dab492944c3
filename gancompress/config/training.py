"""What every training stage has."""

from typing import Annotated, Literal

from pydantic import Field

from gancompress.config.distillation import DistillSettings
from gancompress.config.model import Model

_Decay = Annotated[float, Field(ge=0, lt=1)]


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
