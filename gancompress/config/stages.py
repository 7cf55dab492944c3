"""Search, export and evaluation."""

from typing import Literal

from pydantic import Field

from gancompress.config.model import Model


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
