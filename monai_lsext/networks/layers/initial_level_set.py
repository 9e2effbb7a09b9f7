"""Named initial level sets, and level sets from a click; all positive inside, in pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["INITIAL_LEVEL_SETS", "InitialLevelSet", "initial_level_set", "level_set_from_click"]


BORDER_CAP_PX = 16.0


def _coordinates(spatial_size: Sequence[int], device: torch.device | str | None) -> list[Tensor]:
    axes = [torch.arange(size, dtype=torch.float32, device=device) for size in spatial_size]
    return list(torch.meshgrid(*axes, indexing="ij"))


def _ball(grid: Sequence[Tensor], centre: Sequence[float], radius: float) -> Tensor:
    return radius - torch.stack([(x - c).square() for x, c in zip(grid, centre, strict=True)]).sum(0).sqrt()


def _box(grid: Sequence[Tensor], margin: Sequence[float]) -> Tensor:
    """Signed distance to the faces of the box that leaves ``margin`` free on each side."""
    distances = []
    for axis, (x, m) in enumerate(zip(grid, margin, strict=True)):
        low, high = m - 0.5, grid[0].shape[axis] - 0.5 - m
        distances.append(torch.minimum(x - low, high - x))
    return torch.stack(distances).amin(0)


def _border(grid: Sequence[Tensor]) -> Tensor:
    return _box(grid, [0.0] * len(grid))


def _capped_border(grid: Sequence[Tensor]) -> Tensor:
    return _border(grid).clamp(max=BORDER_CAP_PX)


def _centred_box(grid: Sequence[Tensor]) -> Tensor:
    return _box(grid, [size / 4 for size in grid[0].shape])


def _largest_disk(grid: Sequence[Tensor]) -> Tensor:
    size = grid[0].shape
    return _ball(grid, [(s - 1) / 2 for s in size], min(size) / 2)


def _checkerboard(grid: Sequence[Tensor]) -> Tensor:
    return torch.stack([torch.sin(math.pi * (x + 0.5) / 5) for x in grid]).prod(0)


INITIAL_LEVEL_SETS: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "border": _border,
    "capped_border": _capped_border,
    "disk": _largest_disk,
    "box": _centred_box,
    "checkerboard": _checkerboard,
}


def initial_level_set(name: str, spatial_size: Sequence[int], device: torch.device | str | None = None) -> Tensor:
    """Level set that knows only the size of the image.

    - ``border``: distance to the image border, everything is inside;
    - ``capped_border``: the same curve, the distance at most 16 pixels: far from the border the level set does not tell
      how large the image is, so that a net gives the same in a window as in the whole image;
    - ``disk``: ``r - |x - c|``, the largest disc (ball) that fits, centred;
    - ``box``: the centred box of half the image's extent;
    - ``checkerboard``: ``prod_i sin(pi * (x_i + 1/2) / 5)``, many small seeds (not a distance).

    Args:
        name: one of ``INITIAL_LEVEL_SETS``.
        spatial_size: image size in pixels, 2 or 3 numbers >= 1.
        device: where to make it, default CPU.

    Returns:
        phi [1, 1, \\*spatial_size], float32, positive inside, in pixels.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in INITIAL_LEVEL_SETS:
        raise ValueError(f"`initial` must be one of {sorted(INITIAL_LEVEL_SETS)}, got {name!r}")
    return INITIAL_LEVEL_SETS[name](_coordinates(spatial_size, device))[None, None]


def level_set_from_click(click: Tensor, spatial_size: Sequence[int], radius_px: float) -> Tensor:
    """Disc (ball) around one click per image, ``phi = radius_px - |x - click|``.

    Args:
        click: voxel coordinates in the order of the tensor's spatial axes, may lie between pixels.
        spatial_size: image size in pixels.
        radius_px: radius of the disc in pixels, > 0.

    Shape:
        ``click`` [B, d]; the result is [B, 1, \\*spatial_size] with d sizes.

    Raises:
        ValueError: when a click lies outside the image, has another number of coordinates, or the radius is
            not positive.
    """
    dims = len(spatial_size)
    if click.ndim != 2 or click.shape[1] != dims:
        raise ValueError(f"`click` must have shape [B, {dims}], got {tuple(click.shape)}")
    if radius_px <= 0:
        raise ValueError(f"`radius_px` must be > 0, got {radius_px}")
    upper = torch.tensor(spatial_size, device=click.device) - 0.5
    for index, point in enumerate(click):
        if not bool(((point >= -0.5) & (point <= upper)).all()):
            place = tuple(round(float(p), 2) for p in point)
            raise ValueError(f"`click` of item {index} lies outside the image of size {tuple(spatial_size)}: {place}")
    grid = _coordinates(spatial_size, click.device)
    return torch.stack([_ball(grid, point.tolist(), radius_px) for point in click])[:, None]


class InitialLevelSet(nn.Module):
    """Module form of :func:`initial_level_set`: takes the image for its size, batch and device.

    Args:
        name: one of ``INITIAL_LEVEL_SETS``.

    Shape:
        image [B, C, \\*S] -> phi [B, 1, \\*S], float32.

    Raises:
        ValueError: for an unknown name, at construction.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        initial_level_set(name, (1, 1))
        self.name = name

    def forward(self, image: Tensor) -> Tensor:
        phi = initial_level_set(self.name, image.shape[2:], image.device)
        return phi.expand(image.shape[0], *phi.shape[1:])
