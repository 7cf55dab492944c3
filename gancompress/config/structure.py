"""What a student is made of: which layers are decomposed, and which widths are searched."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gancompress.config.model import Model


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
    metric: str = "lpips-lite0"
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
