"""The CycleGAN family: two generators, two critics, and pictures without partners."""

from collections.abc import Iterable

from gancompress import hookimpl
from gancompress.gan import AnyFamily


@hookimpl
def gancompress_families() -> Iterable[AnyFamily]:
    """Offer the family."""
    # Imported here so that listing plugins does not load torch before it is needed.
    from gancompress_cyclegan.family import CycleGan  # noqa: PLC0415

    return [CycleGan()]
