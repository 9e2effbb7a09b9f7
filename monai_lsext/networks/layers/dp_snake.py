"""The snake of EDPCNN: exact dynamic programming over closed contours under a jump limit."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["legalise_contour", "minimal_closed_contour", "minimal_closed_contour_reference"]


def minimal_closed_contour(cost: Tensor, max_jump: int) -> tuple[Tensor, Tensor]:
    """Closed contour of least cost, one point per line, neighbouring lines at most ``max_jump`` points apart.

    ``min over v of sum_n cost[n, v_n]`` subject to ``|v_n - v_{n+1}| <= max_jump`` for every n, where line N is
    line 0 again: the limit holds across the seam too. The minimum is exact. For every start point s on line 0,
    ``D_n[s, j] = cost[n, j] + min over |k - j| <= max_jump of D_{n-1}[s, k]``; the best s with an end point
    within the limit wins and is traced back. All starts and all items run at once.

    Args:
        cost: cost of each point on each line; +inf forbids a point.
        max_jump: greatest distance, in points, between neighbouring lines, >= 0.

    Shape:
        ``cost`` [B, N, M] (N lines >= 3, M points >= 1) in any floating-point type.

    Returns:
        ``(index, total)``: the contour [B, N] int64, and the sum of its costs [B] in the type of ``cost``,
        differentiable (its gradient is 1 at the contour's points). Half precision is computed in float32.

    Raises:
        TypeError: when ``cost`` is not floating-point or ``max_jump`` not an integer.
        ValueError: for another shape, N < 3, M < 1, ``max_jump`` < 0, or a cost that is NaN or -inf.

    Note:
        Equation 1 counts every cost twice, which changes the total but not the contour; ``total`` counts it
        once. Among contours of equal cost the choice is arbitrary but always the same. The authors' public
        code traces back one step too far, which breaks the jump limit at times; this one does not.

    Reference:
        Nguyen & Ray, "End-to-end learning of convolutional neural net and dynamic programming for left
        ventricle segmentation" (EDPCNN), 2019, equations 1 and 2, Algorithm 1.
    """
    check_contour_cost(cost, max_jump)
    with torch.no_grad():
        index = _best_contour(_finite_score(cost), min(max_jump, cost.shape[2] - 1))
    return index, cost.gather(2, index[..., None])[..., 0].sum(1)


def minimal_closed_contour_reference(cost: Tensor, max_jump: int) -> tuple[Tensor, Tensor]:
    """Slow, readable form of :func:`minimal_closed_contour`: plain loops, to test and to time against."""
    check_contour_cost(cost, max_jump)
    contours = [_loop_over_starts(lines, max_jump) for lines in cost.tolist()]
    index = torch.tensor([contour for contour, _ in contours], dtype=torch.int64, device=cost.device)
    return index, cost.new_tensor([total for _, total in contours])


def legalise_contour(index: Tensor, max_jump: int, num_points: int) -> Tensor:
    """Nearest contour that obeys the jump limit, ``argmin over legal v of sum_n |v_n - index_n|``.

    Args:
        index: one point per line, whole or fractional, [B, N].
        max_jump: greatest distance, in points, between neighbouring lines (the seam included), >= 0.
        num_points: points per line, M >= 1; the result lies in 0 .. M-1.

    Returns:
        The legal contour [B, N], int64; a contour that is already legal comes back unchanged.

    Raises:
        ValueError: for another shape, NaN, ``max_jump`` < 0 or ``num_points`` < 1.
    """
    if index.ndim != 2:
        raise ValueError(f"`index` must have shape [B, N], got {tuple(index.shape)}")
    if num_points < 1:
        raise ValueError(f"`num_points` must be >= 1, got {num_points}")
    points = torch.arange(num_points, dtype=torch.float32, device=index.device)
    return minimal_closed_contour((points - index[..., None]).abs(), max_jump)[0]


def check_contour_cost(cost: Tensor, max_jump: int) -> None:
    """Raise what :func:`minimal_closed_contour` promises."""
    if not isinstance(max_jump, int) or isinstance(max_jump, bool):
        raise TypeError(f"`max_jump` must be an integer, got {max_jump!r}")
    if max_jump < 0:
        raise ValueError(f"`max_jump` must be >= 0, got {max_jump}")
    if cost.ndim != 3:
        raise ValueError(f"`cost` must have shape [B, N, M], got {tuple(cost.shape)}")
    if not cost.is_floating_point():
        raise TypeError(f"`cost` must be floating-point, got {cost.dtype}")
    if cost.shape[1] < 3:
        raise ValueError(f"`cost` must have N >= 3 lines, got {cost.shape[1]}")
    if cost.shape[2] < 1:
        raise ValueError(f"`cost` must have M >= 1 points per line, got {cost.shape[2]}")
    bad = ~(cost > -torch.inf)  # NaN compares false
    if bad.any():
        item = int(bad.flatten(1).any(1).nonzero()[0])
        raise ValueError(f"`cost` must not contain NaN or -inf, but item {item} does")


def jump_allowed(num_points: int, max_jump: int, device: torch.device) -> Tensor:
    """Whether a contour may go from point i to point j: [M, M] bool."""
    points = torch.arange(num_points, device=device)
    return (points[:, None] - points).abs() <= max_jump


def window_maximum(x: Tensor, max_jump: int) -> Tensor:
    """``max over |k - j| <= max_jump of x[..., k]``, in the shape of x [B, R, M] or [B, M]."""
    return F.max_pool1d(x, 2 * max_jump + 1, stride=1, padding=max_jump)


def _finite_score(cost: Tensor) -> Tensor:
    """-cost, where +inf becomes so large a number that N of them still add up to a finite one."""
    score = -cost.to(torch.promote_types(cost.dtype, torch.float32))
    limit = torch.finfo(score.dtype).max / (2 * cost.shape[1])
    return score.clamp(-limit, limit)


def _best_contour(score: Tensor, max_jump: int) -> Tensor:
    """The closed contour of highest score: max-pooling is the window maximum of the recursion."""
    batch, lines, points = score.shape
    allowed = jump_allowed(points, max_jump, score.device)

    # pass 1, values only, every start point at once: [B, start, M]
    best = torch.where(torch.eye(points, dtype=torch.bool, device=score.device), score[:, :1], -torch.inf)
    for line in score.unbind(1)[1:]:
        best = window_maximum(best, max_jump).add_(line[:, None])
    start = best.where(allowed, -torch.inf).amax(2).argmax(1)  # [B]

    # pass 2, from the winning start alone, keeping each line for the way back: [N, B, M]
    at_start = torch.arange(points, device=score.device) == start[:, None]
    kept = [score[:, 0].where(at_start, -torch.inf)]
    for line in score.unbind(1)[1:]:
        kept.append(window_maximum(kept[-1], max_jump).add_(line))
    before = torch.stack(kept[:-1]).reshape(-1, 1, points)
    _, came_from = F.max_pool1d(before, 2 * max_jump + 1, 1, max_jump, return_indices=True)

    point = kept[-1].where(allowed[start], -torch.inf).argmax(1, keepdim=True)
    path = [point]
    for back in came_from.view(lines - 1, batch, points).flip(0):
        path.append(back.gather(1, path[-1]))
    return torch.cat(path[::-1], dim=1)


def _loop_over_starts(lines: list[list[float]], max_jump: int) -> tuple[list[int], float]:
    """Algorithm 1 for one item: for every start, the cheapest way round that ends near the start."""
    num_points = len(lines[0])
    best_path, best_total = [0] * len(lines), math.inf
    for start in range(num_points):
        routes = {start: (lines[0][start], [start])}  # point -> (total, path) of the cheapest way there
        for line in lines[1:]:
            routes_before, routes = routes, {}
            for point in range(num_points):
                near = [route for k, route in routes_before.items() if abs(k - point) <= max_jump]
                if near:
                    total, path = min(near)
                    routes[point] = (total + line[point], [*path, point])
        for end, (total, path) in routes.items():
            if abs(end - start) <= max_jump and total < best_total:
                best_path, best_total = path, total
    return best_path, best_total
