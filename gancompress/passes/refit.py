"""Fit a decomposition to what reaches the layer, by least squares."""

from dataclasses import replace

import torch
from torch import Tensor

from gancompress.passes.activations import Moments
from gancompress.passes.separable import Separable

ROUNDS = 10
# Rounds end when one takes off less than this share of the squared error.
WORTH_A_ROUND = 0.02
# Unknowns of one system: the cube of it is what solving costs.
LARGEST_SYSTEM = 2400


def refit(start: Separable, kernels: Tensor, moments: Moments, *, ridge: float) -> Separable:
    """Fit both halves in turn, each in closed form, for up to ten rounds.

    Each half minimises the mean squared difference of the outputs plus ``ridge`` times the squared
    distance from where it stood, relative to the mean of the system's diagonal. The penalty is
    zero at the start, so the error on these activations never rises. A half whose system has more
    than 2400 unknowns is left as it is, save the one that is cheap (the pointwise one; the
    depthwise one if transposed).

    Args:
        start: Where to start from.
        kernels: Of the original, in the layout of `kernels_of`.
        moments: Of what reaches the layer.
        ridge: How much to hold on to the start, above 0.

    Returns:
        Halves of the same shapes.
    """
    target = moments.applied(kernels)
    if start.transposed:
        _, _, inputs, multiplier = start.pointwise.shape
        both = inputs * multiplier <= LARGEST_SYSTEM
        solvers = (_pointwise_transposed, _depthwise_transposed)[0 if both else 1 :]
    else:
        both = start.depthwise[0].numel() <= LARGEST_SYSTEM
        solvers = (_pointwise, _depthwise)[: 2 if both else 1]
    found, lost = start, moments.energy(kernels - start.kernels())
    for _ in range(ROUNDS if both else 1):
        tried = found
        for solve in solvers:
            tried = solve(tried, target, moments.second, ridge)
        left = moments.energy(kernels - tried.kernels())
        if not left < lost:  # of an exact one only the rounding changes
            break
        gain, found, lost = 1 - left / lost, tried, left
        if gain < WORTH_A_ROUND:
            break
    return found


def solve_near(system: Tensor, right: Tensor, start: Tensor, ridge: float) -> Tensor:
    """Solve ``x · system = right`` with a penalty on the distance from a start.

    Args:
        system: Symmetric and positive semi-definite, ``(..., n, n)``.
        right: ``(..., m, n)``.
        start: ``(..., m, n)``.
        ridge: Weight of the penalty, relative to the mean of the system's diagonal.
    """
    diagonal = system.diagonal(dim1=-2, dim2=-1).mean(-1)
    # Nothing ever reaches a dead channel: any weight does, so the start is kept.
    weight = torch.where(diagonal > 0, ridge * diagonal, 1.0)[..., None, None]
    eye = torch.eye(system.shape[-1], dtype=system.dtype, device=system.device)
    held, goal = system + weight * eye, right + weight * start
    factor, failed = torch.linalg.cholesky_ex(held)
    if not failed.any():
        return torch.cholesky_solve(goal.transpose(-2, -1), factor).transpose(-2, -1)
    # A ridge below the rounding of the system leaves it slightly indefinite.
    solved: Tensor = torch.linalg.solve(held, goal, left=False)
    return solved


def _pointwise(now: Separable, target: Tensor, second: Tensor, ridge: float) -> Separable:
    """One system for each group: all output channels see the same depthwise output."""
    half = torch.einsum("girk,gikjl->girjl", now.depthwise, second)
    system = torch.einsum("girjl,gjsl->girjs", half, now.depthwise).flatten(3).flatten(1, 2)
    right = torch.einsum("goik,girk->goir", target, now.depthwise).flatten(2)
    solved = solve_near(system, right, now.pointwise.flatten(2), ridge)
    return replace(now, pointwise=solved.reshape(now.pointwise.shape))


def _depthwise(now: Separable, target: Tensor, second: Tensor, ridge: float) -> Separable:
    """One system for each group, over all channels, filters and positions."""
    groups, channels, multiplier, positions = now.depthwise.shape
    mixed = torch.einsum("goir,gojs->girjs", now.pointwise, now.pointwise)
    size = channels * multiplier * positions
    system = torch.einsum("girjs,gikjl->girkjsl", mixed, second).reshape(groups, size, size)
    right = torch.einsum("goir,goik->girk", now.pointwise, target).reshape(groups, 1, size)
    solved = solve_near(system, right, now.depthwise.reshape(groups, 1, size), ridge)
    return replace(now, depthwise=solved.reshape(now.depthwise.shape))


def _depthwise_transposed(
    now: Separable, target: Tensor, second: Tensor, ridge: float
) -> Separable:
    """One small system for each output channel."""
    groups, channels, multiplier, positions = now.depthwise.shape
    size = multiplier * positions
    half = torch.einsum("goir,gikjl->gorkjl", now.pointwise, second)
    system = torch.einsum("gorkjl,gojs->gorksl", half, now.pointwise)
    right = torch.einsum("goir,goik->gork", now.pointwise, target)
    solved = solve_near(
        system.reshape(groups, channels, size, size),
        right.reshape(groups, channels, 1, size),
        now.depthwise.reshape(groups, channels, 1, size),
        ridge,
    )
    return replace(now, depthwise=solved.reshape(now.depthwise.shape))


def _pointwise_transposed(
    now: Separable, target: Tensor, second: Tensor, ridge: float
) -> Separable:
    """One system for each output channel, since each has a depthwise kernel of its own."""
    groups, outputs, inputs, multiplier = now.pointwise.shape
    size = inputs * multiplier
    right = torch.einsum("goik,gork->goir", target, now.depthwise)
    columns: list[Tensor] = []
    for one in range(outputs):  # all at once would take the memory of as many systems
        filters = now.depthwise[:, one]
        half = torch.einsum("grk,gikjl->girjl", filters, second)
        system = torch.einsum("girjl,gsl->girjs", half, filters).reshape(groups, size, size)
        flat = right[:, one].reshape(groups, 1, size)
        start = now.pointwise[:, one].reshape(groups, 1, size)
        columns.append(solve_near(system, flat, start, ridge).reshape(groups, inputs, multiplier))
    return replace(now, pointwise=torch.stack(columns, 1))
