"""The pix2pix family: a ResNet generator, a conditional PatchGAN and paired pictures."""

from collections.abc import Iterable

from gancompress import hookimpl
from gancompress.gan import AnyFamily


@hookimpl
def gancompress_families() -> Iterable[AnyFamily]:
    """Offer the family."""
    # Imported here so that listing plugins does not load torch before it is needed.
    from gancompress_pix2pix.family import Pix2Pix  # noqa: PLC0415

    return [Pix2Pix()]
