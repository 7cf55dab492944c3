"""What the table of generators says about each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from gancompress.passes import FoldReparametrisation, SortChannels
from gancompress.passes.base import GraphPass

DEFAULT_PASSES: tuple[Callable[[], GraphPass], ...] = (FoldReparametrisation, SortChannels)


@dataclass(frozen=True)
class Case:
    """One generator, how it is called, and what is expected of it.

    Args:
        name: Name in the table.
        make: Makes the generator with fresh weights.
        args: Makes the positional inputs; the first axis of every tensor is the batch.
        kwargs: Makes the inputs by name.
        elastic: Least share of the multiply-accumulates that is elastic; 0 only with a reason.
        why: What cannot be elastic, and why.
        batch: Whether another batch size runs.
        size: Whether other widths (the last axis of inputs of rank 3 and more, doubled) run.
        export: Whether `torch.export` can take the generator.
        compile: Whether to try `torch.compile` as well, which takes long.
        passes: Makers of the passes before the supernet.
        xfail: Reason of a known gap; the tests that ``gap`` names have to fail.
        gap: The end of that test's name; of several, with commas between them.
    """

    name: str
    make: Callable[[], nn.Module]
    args: Callable[[], tuple[Any, ...]]
    kwargs: Callable[[], dict[str, Any]] = dict
    elastic: float = 0.99
    why: str = ""
    batch: bool = True
    size: bool = True
    export: bool = True
    compile: bool = False
    passes: tuple[Callable[[], GraphPass], ...] = DEFAULT_PASSES
    xfail: str = ""
    gap: str = "elastic_share"

    def __post_init__(self) -> None:
        if self.elastic <= 0 and not self.why:
            raise ValueError(f"'{self.name}' expects nothing elastic, and does not say why")
