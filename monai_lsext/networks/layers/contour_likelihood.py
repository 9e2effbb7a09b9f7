"""Exact likelihood of a closed contour: the chain conditional random field over the contours of the DP snake."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .dp_snake import check_contour_cost, jump_allowed, window_maximum

__all__ = ["contour_log_partition", "contour_marginals", "contour_negative_log_likelihood"]

_LN2 = math.log(2.0)


def contour_log_partition(cost: Tensor, max_jump: int, temperature: float = 1.0) -> Tensor:
    """``log Z = log sum over v of exp(-sum_n cost[n, v_n] / temperature)``, v over all legal closed contours.

    Legal means ``|v_n - v_{n+1}| <= max_jump`` at every line, the seam included. The recursion is that of
    :func:`minimal_closed_contour` with log-sum-exp for the minimum, in the log domain throughout.

    Args:
        cost: cost of each point on each line, finite.
        max_jump: greatest distance, in points, between neighbouring lines, >= 0.
        temperature: unit of the costs, > 0, default 1; towards 0, ``-temperature * log Z`` becomes the minimum.

    Shape:
        ``cost`` [B, N, M], N >= 3, M >= 1; the result is [B], in float32 or float64.

    Returns:
        log Z, differentiable once: its gradient is ``-marginals / temperature``.

    Raises:
        TypeError: when ``cost`` is not floating-point or ``max_jump`` not an integer.
        ValueError: for another shape, ``max_jump`` < 0, ``temperature`` <= 0 or a cost that is not finite.

    Note:
        Not in the paper, which trains through a second network instead.
    """
    cost = _checked(cost, max_jump, temperature)
    lowest = cost.detach().amin(2, keepdim=True)  # taken out of each line: smaller numbers, same marginals
    log_z: Tensor = _LogPartition.apply(_potential(cost - lowest, temperature), _clipped(max_jump, cost))
    return log_z - lowest.sum((1, 2)) / temperature


def contour_marginals(cost: Tensor, max_jump: int, temperature: float = 1.0) -> Tensor:
    """Probability that the contour passes through each point, ``P(v_n = j)``, exact, by forward-backward.

    Arguments, shapes and errors are those of :func:`contour_log_partition`.

    Returns:
        [B, N, M], each line sums to 1; no gradient flows through it.
    """
    with torch.no_grad():
        cost = _checked(cost, max_jump, temperature)
        max_jump = _clipped(max_jump, cost)
        alphas, totals, _ = _forward(_potential(cost - cost.amin(2, keepdim=True), temperature), max_jump)
        return _backward(alphas, totals, max_jump)


def contour_negative_log_likelihood(cost: Tensor, index: Tensor, max_jump: int, temperature: float = 1.0) -> Tensor:
    """``-log P(index) = sum_n cost[n, index_n] / temperature + log Z``, >= 0, per item.

    Args:
        cost: cost of each point on each line, finite.
        index: the true contour, legal (:func:`legalise_contour` makes it so).
        max_jump: greatest distance, in points, between neighbouring lines, >= 0.
        temperature: unit of the costs, > 0, default 1.

    Shape:
        ``cost`` [B, N, M], ``index`` [B, N] int64; the result is [B], in float32 or float64.

    Returns:
        The negative log-likelihood; its gradient is ``(one_hot(index) - marginals) / temperature``.

    Raises:
        TypeError: when ``index`` is not int64, or as in :func:`contour_log_partition`.
        ValueError: when an item's contour leaves 0 .. M-1 or breaks the jump limit, or as there.
    """
    cost = _checked(cost, max_jump, temperature)
    _check_legal(index, cost, max_jump)
    # against the true contour, whose cost becomes 0: no difference of two large numbers remains
    relative = cost - cost.gather(2, index[..., None])
    result: Tensor = _LogPartition.apply(_potential(relative, temperature), _clipped(max_jump, cost))
    return result


class _LogPartition(torch.autograd.Function):
    """log Z with the marginals as gradient, by one backward recursion."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, max_jump: int) -> Tensor:
        alphas, totals, log_z = _forward(potential, max_jump)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(_backward(alphas, totals, max_jump))
        return log_z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (marginals,) = ctx.saved_tensors
        return _LN2 * grad[:, None, None] * marginals, None


def _checked(cost: Tensor, max_jump: int, temperature: float) -> Tensor:
    """The cost in float32 or float64, after what the public functions promise to raise."""
    check_contour_cost(cost, max_jump)
    if not temperature > 0:
        raise ValueError(f"`temperature` must be > 0, got {temperature}")
    if cost.isinf().any():
        item = int(cost.isinf().flatten(1).any(1).nonzero()[0])
        raise ValueError(f"`cost` must be finite, but item {item} is not")
    return cost.to(torch.promote_types(cost.dtype, torch.float32))


def _potential(cost: Tensor, temperature: float) -> Tensor:
    """-cost / temperature to the base 2, so bounded that a whole contour of it stays above "impossible"."""
    limit = -_impossible(cost) / (2 * cost.shape[1])
    return (cost / (-_LN2 * temperature)).clamp(-limit, limit)


def _clipped(max_jump: int, cost: Tensor) -> int:
    return min(max_jump, cost.shape[2] - 1)


def _impossible(like: Tensor) -> float:
    """A finite stand-in for log 0: differences of two of them are 0, where -inf would give NaN."""
    return torch.finfo(like.dtype).min / 8


def _windows(x: Tensor, max_jump: int, outside: float) -> Tensor:
    """For each point the points within ``max_jump``: [2 * max_jump + 1, B, start, M]."""
    padded = F.pad(x, (max_jump, max_jump), value=outside)
    return padded.unfold(2, 2 * max_jump + 1, 1).movedim(3, 0).contiguous()


def _forward(potential: Tensor, max_jump: int) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Alphas, the log weights of all ways from start s to point j of each line, N x [B, start, M].

    ``alpha_n[s, j] = potential_n[j] + highest + log2(total)``, where ``highest`` is the maximum of alpha_{n-1}
    over the window of j and ``total`` the sum over the window of 2**(alpha_{n-1} - highest); the totals are
    returned too, and log Z. All logarithms but that of Z are to the base 2, because ``exp2`` takes a third of
    the time of ``exp`` on a CPU.
    """
    points = potential.shape[2]
    start = torch.eye(points, dtype=torch.bool, device=potential.device)
    alphas, totals = [torch.where(start, potential[:, :1], _impossible(potential))], []
    for line in potential.unbind(1)[1:]:
        highest = window_maximum(alphas[-1], max_jump)
        totals.append(_windows(alphas[-1], max_jump, -torch.inf).sub_(highest).exp2_().sum(0))
        alphas.append(totals[-1].log2().add_(highest).add_(line[:, None]))
    allowed = jump_allowed(points, max_jump, potential.device)
    alphas[-1] = alphas[-1].where(allowed, _impossible(potential))  # the seam
    return alphas, totals, (_LN2 * alphas[-1]).flatten(1).logsumexp(1)


def _backward(alphas: list[Tensor], totals: list[Tensor], max_jump: int) -> Tensor:
    """Marginals [B, N, M]: the joint probability of (start, point) is handed back from line to line.

    ``P(s, k before) = sum over j within the limit of P(s, j after) * 2**(alpha[s, k] - highest[s, j]) / total[s, j]``
    """
    joint = (_LN2 * alphas[-1]).flatten(1).softmax(1).view_as(alphas[-1])  # [B, start, M]
    marginals = [joint.sum(1)]
    for before, total in zip(alphas[-2::-1], totals[::-1], strict=True):
        below = _windows(window_maximum(before, max_jump), max_jump, torch.inf).neg_().add_(before)
        joint = below.exp2_().mul_(_windows(joint / total, max_jump, 0.0)).sum(0)
        marginals.append(joint.sum(1))
    return torch.stack(marginals[::-1], dim=1)


def _check_legal(index: Tensor, cost: Tensor, max_jump: int) -> None:
    if index.dtype != torch.int64:
        raise TypeError(f"`index` must be int64, got {index.dtype}")
    if index.shape != cost.shape[:2]:
        raise ValueError(f"`index` must have shape {tuple(cost.shape[:2])}, got {tuple(index.shape)}")
    outside = ((index < 0) | (index >= cost.shape[2])).any(1)
    if outside.any():
        item = int(outside.nonzero()[0])
        raise ValueError(f"`index` must lie in 0 .. {cost.shape[2] - 1}, but item {item} does not")
    jumps = (index - index.roll(1, dims=1)).abs().amax(1)
    if (jumps > max_jump).any():
        item = int(jumps.argmax())
        raise ValueError(f"`index` must jump by <= {max_jump}, but item {item} jumps by {int(jumps[item])}")
