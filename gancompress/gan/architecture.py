"""Which ResNet a family's options name: the published one, or the mobile one of any widths."""

from typing import Literal, Protocol, TypeAlias

from torch import nn

from gancompress.errors import SubnetError
from gancompress.gan.mobile import MobileResNetGenerator
from gancompress.gan.resnet import NormName, ResNetGenerator
from gancompress.gan.widths import ResNetWidths

ResNetName: TypeAlias = Literal["resnet", "mobile_resnet"]
MOBILE = "mobile_resnet"


class ResNetChoice(Protocol):
    """What options that name a ResNet have."""

    @property
    def architecture(self) -> str:
        """``resnet``, ``mobile_resnet``, or what the family builds by itself."""

    @property
    def generator_width(self) -> int:
        """Channels of the first convolution (``ngf``)."""

    @property
    def blocks(self) -> int:
        """Residual blocks."""

    @property
    def norm(self) -> NormName:
        """Norm of the generator."""

    @property
    def dropout(self) -> bool:
        """Whether the blocks of a ``resnet`` have dropout."""

    @property
    def config_str(self) -> str | None:
        """Widths of a ``mobile_resnet``; None takes those of `generator_width`."""

    @property
    def legacy(self) -> bool:
        """Whether six numbers are read as the first release's class reads them."""


def build_resnet(choice: ResNetChoice, channels_in: int, channels_out: int) -> nn.Module:
    """Build the ResNet that options name, with torch's own fresh weights.

    Args:
        choice: The options.
        channels_in: Channels of the input picture.
        channels_out: Channels of the output picture.

    Raises:
        SubnetError: If the config string is none, or does not fit the number of blocks.
    """
    if choice.architecture == MOBILE:
        return MobileResNetGenerator(_widths(choice), channels_in, channels_out, choice.norm)
    return ResNetGenerator(
        channels_in,
        channels_out,
        choice.generator_width,
        choice.blocks,
        choice.norm,
        dropout=choice.dropout,
    )


def check_config(config: str | None, architecture: str, blocks: int, *, legacy: bool) -> None:
    """Refuse widths that no mobile ResNet has; for the validators of options.

    Args:
        config: The option `config_str`.
        architecture: The option `architecture`.
        blocks: Residual blocks.
        legacy: The option `legacy`.

    Raises:
        ValueError: If there are widths and the architecture takes none, or they are no config
            string of so many blocks.
    """
    if config is None:
        return
    if architecture != MOBILE:
        raise ValueError(f"only the architecture '{MOBILE}' takes widths of its layers")
    try:
        ResNetWidths.parse(config, blocks, legacy=legacy)
    except SubnetError as error:
        raise ValueError(error.message) from None


def _widths(choice: ResNetChoice) -> ResNetWidths:
    if choice.config_str is None:
        return ResNetWidths.full(choice.generator_width, choice.blocks)
    return ResNetWidths.parse(choice.config_str, choice.blocks, legacy=choice.legacy)
