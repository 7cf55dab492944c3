"""The GauGAN family: a generator that label maps modulate at every scale, and its critics."""

from collections.abc import Iterable

from gancompress import hookimpl
from gancompress.gan import AnyFamily


@hookimpl
def gancompress_families() -> Iterable[AnyFamily]:
    """Offer the family."""
    # Imported here so that listing plugins does not load torch before it is needed.
    from gancompress_gaugan.family import GauGan  # noqa: PLC0415

    return [GauGan()]
