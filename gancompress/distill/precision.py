"""Which number format a training computes in."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import torch

# Without one of these a processor takes bfloat16 apart and puts it together again: a convolution
# was 28 times slower than in float32 on one that has AVX2 alone.
_FEATURES: Final = ("amx_bf16", "avx512_bf16", "avx10_2", "bf16", "sve_bf16")


Precision: TypeAlias = Literal["no", "bf16", "fp16"]


def resolve_precision(precision: Precision | Literal["auto"], device: torch.device) -> Precision:
    """Say what ``auto`` means on a device.

    Args:
        precision: ``no``, ``bf16``, ``fp16`` or ``auto``.
        device: Where the training computes.

    Returns:
        What was asked for; of ``auto`` ``bf16`` where the device has instructions for it, and
        ``no``, which is float32, elsewhere.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if device.type == "cpu" and computes_bf16(_capabilities()) else "no"


def computes_bf16(capabilities: Mapping[str, Any]) -> bool:
    """Tell whether a processor has instructions for bfloat16.

    Args:
        capabilities: What `torch.cpu.get_capabilities` says.
    """
    return any(capabilities.get(feature) is True for feature in _FEATURES)


def _capabilities() -> Mapping[str, Any]:
    # Releases of torch before it cannot tell, and float32 is never wrong.
    ask = getattr(torch.cpu, "get_capabilities", dict)
    capabilities: Mapping[str, Any] = ask()
    return capabilities
