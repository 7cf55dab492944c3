"""Numbers as people read them. What is not known is a dash."""

import math

MISSING = "–"


def count(value: float | None) -> str:
    """Return a number with an SI letter, such as ``49.6 G``.

    Args:
        value: A number of MACs or parameters; None where it was not measured.
    """
    return _scaled(value, 1000.0, ("", " k", " M", " G", " T"))


def size(value: float | None) -> str:
    """Return a file size with a binary unit, such as ``2.80 MiB``.

    Args:
        value: Bytes; None where there is no file.
    """
    return _scaled(value, 1024.0, (" B", " KiB", " MiB", " GiB", " TiB"))


def figure(value: float | None, digits: int) -> str:
    """Return a number with fixed decimals, ``∞`` where it is infinite.

    Args:
        value: Any number; None where it was not measured.
        digits: Decimals.
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage, such as ``87.5 %``.

    Args:
        share: A fraction of 1; None where it is not defined.
    """
    return MISSING if share is None or not math.isfinite(share) else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Return a time span, such as ``2 min 3 s``.

    Args:
        seconds: Seconds, not negative.
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _scaled(value: float | None, base: float, units: tuple[str, ...]) -> str:
    if value is None or not math.isfinite(value):
        return MISSING
    scaled, index = float(value), 0
    # 999.6 would round to 1000, which is the next unit's 1.00
    while abs(scaled) >= base - 0.5 and index < len(units) - 1:
        scaled, index = scaled / base, index + 1
    if index == 0 and scaled == int(scaled):
        return f"{int(scaled)}{units[0]}"
    digits = 2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0
    return f"{scaled:.{digits}f}{units[index]}"
