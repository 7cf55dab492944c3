"""What the options of families with ResNet generators and patch discriminators have in common."""

from math import log2

from pydantic import ValidationInfo, field_validator

from gancompress.gan.architecture import MOBILE, check_config
from gancompress.gan.family import FamilyOptions


class ResNetOptions(FamilyOptions):
    """Base of options that describe what `build_resnet` and `PatchDiscriminator` build.

    It has no field, and refuses what does not fit together in those of such a family:
    ``architecture``, ``blocks``, ``dropout``, ``legacy`` and ``config_str`` (see `ResNetChoice`),
    in this order, and ``size`` (pixels), ``discriminator`` (``patch`` where there is no choice) and
    ``discriminator_layers``. A family may leave out any of them.
    """

    @field_validator("dropout", check_fields=False)
    @classmethod
    def _separable_blocks_have_no_dropout(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("architecture") == MOBILE:
            raise ValueError(f"a {MOBILE} has no dropout")
        return value

    @field_validator("config_str", check_fields=False)
    @classmethod
    def _it_is_a_config_of_a_mobile_net(cls, value: str | None, info: ValidationInfo) -> str | None:
        others = info.data
        check_config(
            value,
            others.get("architecture", ""),
            others.get("blocks", 9),
            legacy=others.get("legacy", False),
        )
        return value

    @field_validator("discriminator_layers", check_fields=False)
    @classmethod
    def _something_is_left_to_judge(cls, value: int, info: ValidationInfo) -> int:
        # Each strided layer halves the picture, and the last two take off one pixel each.
        size = info.data.get("size", 0)
        patches = info.data.get("discriminator", "patch") == "patch"
        most = int(log2(size / 3)) if size and patches else value
        if value > most:
            raise ValueError(
                f"{value} layers leave nothing of a picture of {size} pixels, take at most {most}"
            )
        return value
