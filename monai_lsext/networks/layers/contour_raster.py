"""Anti-aliased drawing of star-shaped polygons as truncated signed distances, batched and on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["polygon_signed_distance"]

_CACHED_NUMBERS = 2**18


@torch.no_grad()
def polygon_signed_distance(
    points: Tensor, centre: Tensor, spatial_size: Sequence[int], limit_px: float = 16.0
) -> Tensor:
    """Exact Euclidean distance to the border of a polygon, positive inside, cut to -limit_px .. limit_px.

    Only a window around each polygon is computed; beyond it the result is -limit_px. No gradient flows through.

    Args:
        points: corners in pixels, in the order of the spatial axes and of increasing angle around ``centre``,
            so that the polygon is star-shaped around it; no two successive ones equal.
        centre: a point inside the polygon, inside the image.
        spatial_size: (H, W) of the result.
        limit_px: > 0, default 16.

    Shape:
        ``points`` [B, N, 2], ``centre`` [B, 2]; the result is [B, 1, H, W] in the type of ``points``.

    Raises:
        ValueError: when ``limit_px`` is not positive.
    """
    if limit_px <= 0:
        raise ValueError(f"`limit_px` must be > 0, got {limit_px}")
    centre = centre.to(points)
    batch, height, width = len(points), *spatial_size
    reach = math.ceil(float((points - centre[:, None]).norm(dim=2).max()) + limit_px)
    window = torch.arange(-reach, reach + 1, device=points.device)
    middle = centre.round().long()
    rows = (middle[:, :1] + window).clamp(0, height - 1)  # repeated pixels at the border get equal values
    columns = (middle[:, 1:] + window).clamp(0, width - 1)
    y, x = rows[:, :, None].to(points), columns[:, None, :].to(points)  # [B, W, 1], [B, 1, W]

    distance = _distance_to_border(points, y, x).clamp_(max=limit_px)
    result = points.new_full((batch, 1, height, width), -limit_px)
    item = torch.arange(batch, device=points.device)[:, None, None]
    result[item, 0, rows[:, :, None], columns[:, None, :]] = torch.where(
        _inside(points, centre, y, x), distance, -distance
    )
    return result


def _distance_to_border(points: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Distance to the nearest edge; edges are taken as many at a time as the processor's cache holds."""
    edges = points.roll(-1, dims=1) - points
    half = edges.norm(dim=2)[..., None, None] / 2  # [B, N, 1, 1]
    uy, ux = _columns(edges / (2 * half[..., 0]))
    my, mx = _columns(points + edges / 2)
    y, x = y[:, None] - my, x[:, None] - mx  # from the middle of each edge: [B, N, W, 1], [B, N, 1, W]
    parts = (half, y * uy, x * ux, y * ux, x * uy)
    batch, lines, width = y.shape[:3]
    at_once = min(lines, max(1, _CACHED_NUMBERS // (batch * width**2)))
    buffers = [x.new_empty(batch, at_once, width, width) for _ in range(2)]  # reused: allocating costs more
    nearest = x.new_full((batch, width, width), torch.inf)
    for length, along_y, along_x, aside_y, aside_x in zip(*(p.split(at_once, dim=1) for p in parts), strict=True):
        past_end, aside = (buffer[:, : length.shape[1]] for buffer in buffers)
        torch.add(along_y, along_x, out=past_end).abs_().sub_(length).clamp_(min=0)
        torch.sub(aside_y, aside_x, out=aside)
        past_end.square_().addcmul_(aside, aside)
        torch.minimum(nearest, past_end.amin(1) if at_once > 1 else past_end[:, 0], out=nearest)
    return nearest.sqrt_()


def _inside(points: Tensor, centre: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Whether a pixel lies on the centre's side of the edge that its sector of the star has."""
    following = points.roll(-1, dims=1)
    edges = following - points
    first = points - centre[:, None]
    turn = torch.atan2(first[..., 1], first[..., 0])  # [B, N]
    (cy, cx), start = _columns(centre), turn[:, :1]
    angle = (torch.atan2(x - cx, y - cy) - start[..., None]).remainder(2 * math.pi)
    corners = (turn - start).remainder(2 * math.pi)
    sector = torch.searchsorted(corners, angle.flatten(1), right=True) - 1
    oy, ox, ey, ex = (value.gather(1, sector).view_as(angle) for value in (*points.unbind(2), *edges.unbind(2)))
    return ey * (x - ox) - ex * (y - oy) > 0


def _columns(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """[..., 2] as two tensors [..., 1, 1], to meet pixels laid out as rows and columns."""
    first, second = vectors[..., None, None].unbind(-3)
    return first, second
