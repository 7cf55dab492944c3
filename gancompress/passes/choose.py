"""Choose the cheapest decomposition of a convolution whose error is small enough."""

from collections.abc import Iterator
from math import gcd
from typing import Literal, TypeAlias, get_args

from gancompress.passes.candidates import (
    Candidate,
    Subject,
    Work,
    fitted,
    low_rank_candidate,
)
from gancompress.passes.low_rank import Ladder, input_directions, ladder
from gancompress.passes.separable import largest_multiplier, separate_kernels

Method: TypeAlias = Literal["separable", "low_rank", "cheapest"]
METHODS: tuple[str, ...] = get_args(Method)


def choose(subject: Subject, method: Method, max_error: float, ridge: float) -> Candidate | None:
    """Return the decomposition with the fewest MACs, then parameters.

    Args:
        subject: The convolution.
        method: Which kind; ``cheapest`` tries both.
        max_error: Largest relative error.
        ridge: How much a fit to activations holds on to the approximation of the weights.

    Returns:
        None where none is both close enough and cheaper than the convolution itself.
    """
    kinds = {"separable": cheapest_separable, "low_rank": cheapest_low_rank}
    tried = [
        find(subject, max_error, ridge)
        for name, find in kinds.items()
        if method in {name, "cheapest"}
    ]
    return min((one for one in tried if one is not None), key=lambda one: one.work, default=None)


def cheapest_separable(subject: Subject, max_error: float, ridge: float) -> Candidate | None:
    """Return the separable convolution with the fewest filters whose error is small enough.

    Args:
        subject: The convolution.
        max_error: Largest relative error.
        ridge: How much a fit to activations holds on to the approximation of the weights.

    Returns:
        None where it would not be cheaper than the convolution itself.
    """
    transposed = bool(subject.layer.transposed)
    most = largest_multiplier(subject.kernels, transposed=transposed)
    for multiplier in range(1, most + 1):
        start = separate_kernels(subject.kernels, multiplier, transposed=transposed)
        if subject.work_of(start) >= subject.work:
            return None
        found = fitted(subject, start, ridge)
        if found.error <= max_error:
            return found
    return None


def cheapest_low_rank(subject: Subject, max_error: float, ridge: float) -> Candidate | None:
    """Return the cheapest low-rank convolution whose error is small enough.

    Inner channels are multiples of 8, over all groups, or as many as there are.

    Args:
        subject: The convolution.
        max_error: Largest relative error.
        ridge: How much a fit to activations holds on to the approximation of the weights.

    Returns:
        None where it would not be cheaper than the convolution itself.
    """
    best: tuple[Work, tuple[int, int]] | None = None
    for one, inputs, outputs in _ladders(subject, ridge):
        allowed = max_error**2 * subject.energy(subject.kernels)
        rank = next((r for r in outputs if float(one.lost[r]) <= allowed), None)
        if rank is None:
            continue
        work = subject.work_of(one.rung(rank))
        if work < (subject.work if best is None else best[0]):
            best = work, (inputs, rank)
    return None if best is None else low_rank_candidate(subject, best[1], ridge)


def _ladders(subject: Subject, ridge: float) -> Iterator[tuple[Ladder, int, list[int]]]:
    groups, out, inputs, _ = subject.kernels.shape
    directions = input_directions(subject.kernels)
    for rank in inner_channels(inputs, groups):
        one = ladder(subject.kernels, subject.moments, directions, rank, ridge)
        yield one, rank, inner_channels(out, groups)


def inner_channels(channels: int, groups: int) -> list[int]:
    """Return the numbers of inner channels of one group that are tried, smallest first.

    Args:
        channels: Channels of one group.
        groups: Groups of the convolution.
    """
    step = 8 // gcd(8, groups)
    return [*range(step, channels, step), channels]
