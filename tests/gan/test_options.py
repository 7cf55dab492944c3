"""What a family's options refuse by the base that they share."""

from typing import Any

import pytest
from pydantic import ValidationError

from gancompress.gan import ResNetOptions


class Few(ResNetOptions):
    """A family without a choice of critics, and without widths."""

    size: int = 32
    discriminator_layers: int = 3


class Many(ResNetOptions):
    size: int = 32
    architecture: str = "resnet"
    blocks: int = 9
    dropout: bool = False
    legacy: bool = False
    config_str: str | None = None
    discriminator: str = "patch"
    discriminator_layers: int = 3


@pytest.mark.parametrize(
    ("options", "values", "told"),
    [
        (Few, {"discriminator_layers": 4}, "4 layers leave nothing of a picture of 32 pixels"),
        (Many, {"discriminator_layers": 4}, "take at most 3"),
        (Many, {"architecture": "mobile_resnet", "dropout": True}, "has no dropout"),
        (Many, {"config_str": "16_16_32_16_32_32_16_16"}, "only the architecture 'mobile_resnet'"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    options: type[ResNetOptions], values: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        options.model_validate(values)


def test_what_fits_together_is_taken() -> None:
    Few()
    Many.model_validate({"dropout": True})
    Many.model_validate({"discriminator": "pixel", "discriminator_layers": 9})
    widths = "16_16_32_16_32_32_16_16"
    Many.model_validate({"architecture": "mobile_resnet", "config_str": widths})
