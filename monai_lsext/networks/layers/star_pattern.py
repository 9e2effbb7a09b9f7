"""The star pattern of EDPCNN: radial lines of points around a centre, and the way between masks and contours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .contour_raster import polygon_signed_distance

__all__ = ["StarPattern", "smooth_contour"]

_FINEST_PX = 0.5  # spacing at which a mask is searched for its border: a gap of one pixel is not stepped over


@dataclass(frozen=True)
class StarPattern:
    """N lines of M contour points around one centre per image.

    With ``step_px = radius_px / M``, contour point m of line n lies ``(m + 1) * step_px`` from the centre in the
    direction ``angle + 2 pi n / N``. The map is sampled half-way between contour points, M + 1 times a line at
    ``(m + 1/2) * step_px``, so that the cost of a contour point is the difference of its two neighbours and the
    centre itself, where all lines meet, is never read.

    Args:
        num_lines: N, >= 3, default 50.
        num_points: M, contour points per line, >= 1, default 65.
        radius_px: distance from the centre to the last contour point in pixels, > 0, default 65.
        mode: "nearest" (the pixel whose centre is nearest, default) or "bilinear".

    Shape:
        A centre is [B, 2], in pixels, in the order of the tensor's spatial axes; it may lie between pixels, whose
        middles are the whole numbers. An angle is [B], in radians from the first spatial axis towards the second,
        default 0.

    Raises:
        ValueError: for an argument out of range.

    Note:
        The authors' public code, too, starts just outside the centre. It truncates coordinates where the paper
        says "nearest"; here they are rounded.

    Reference:
        Nguyen & Ray, "EDPCNN", 2019, the star pattern.
    """

    num_lines: int = 50
    num_points: int = 65
    radius_px: float = 65.0
    mode: str = "nearest"

    def __post_init__(self) -> None:
        if self.num_lines < 3:
            raise ValueError(f"`num_lines` must be >= 3, got {self.num_lines}")
        if self.num_points < 1:
            raise ValueError(f"`num_points` must be >= 1, got {self.num_points}")
        if not 0 < self.radius_px < math.inf:
            raise ValueError(f"`radius_px` must be > 0, got {self.radius_px}")
        if self.mode not in ("nearest", "bilinear"):
            raise ValueError(f"`mode` must be 'nearest' or 'bilinear', got {self.mode!r}")

    @property
    def step_px(self) -> float:
        """Distance between neighbouring contour points of a line, in pixels."""
        return self.radius_px / self.num_points

    def cost(self, image: Tensor, centre: Tensor, angle: Tensor | None = None) -> Tensor:
        """Cost of each contour point, ``g[n, m+1] - g[n, m]``: low where a map that is high inside falls outwards.

        Args:
            image: the map, [B, 1, H, W]; beyond its border it is continued as constant, so that the border
                itself costs nothing.
            centre: [B, 2], inside the image.
            angle: [B], default 0.

        Returns:
            [B, N, M] for :func:`minimal_closed_contour`, float32 or float64, differentiable in ``image``.

        Raises:
            ValueError: for another shape, or an item whose centre is NaN or outside the image.
        """
        _check_image("image", image)
        radii = (torch.arange(self.num_points + 1, device=image.device) + 0.5) * self.step_px
        return self._sample(image, centre, angle, radii, self.mode, "border").diff(dim=2)

    def index_from_mask(self, mask: Tensor, centre: Tensor, angle: Tensor | None = None, clamp: bool = False) -> Tensor:
        """Place on each line, followed from the centre, where it first leaves the object.

        Other objects, and parts of this one behind a gap, are not reached. The border runs at the value 1/2 of
        the bilinearly interpolated mask, and at the border of the image.

        Args:
            mask: [B, 1, H, W]; values > 0.5 are inside.
            centre: [B, 2], inside the object.
            angle: [B], default 0.
            clamp: where the object reaches beyond the last point or the centre lies outside the object, take the
                last or the first point, with a warning, instead of an error.

        Returns:
            Index [B, N], float32 in 0 .. M-1, fractional between two points; ``.round().long()`` gives the
            nearest points, and :func:`legalise_contour` the nearest contour under a jump limit.

        Raises:
            ValueError: for another shape, a centre that is NaN or outside the image, and, unless ``clamp``, for
                an item whose object does not contain its centre or reaches beyond the pattern.
        """
        _check_image("mask", mask)
        per_step = math.ceil(self.step_px / _FINEST_PX)
        fine_px = self.step_px / per_step
        radii = torch.arange((self.num_points + 1) * per_step + 1, device=mask.device) * fine_px
        profile = self._sample((mask > 0.5).float(), centre, angle, radii, "bilinear", "zeros")
        leading = (profile > 0.5).cumprod(2).sum(2)  # [B, N] samples before the first one outside
        index = _first_crossing(profile, leading) / per_step - 1
        _report((leading == 0).any(1), "`centre` of {} lies outside the object", clamp)
        # the last point stands for half a step beyond it, as every point does
        beyond = (leading == len(radii)) | (index >= self.num_points - 0.5)
        _report(beyond.any(1), f"`mask` of {{}} reaches beyond `radius_px` = {self.radius_px:g}", clamp)
        return index.clamp(0, self.num_points - 1)

    def contour_points(self, index: Tensor, centre: Tensor, angle: Tensor | None = None) -> Tensor:
        """Positions of a contour [B, N] (indices, whole or smoothed) in pixels: [B, N, 2], in axis order."""
        if index.ndim != 2 or index.shape[1] != self.num_lines:
            raise ValueError(f"`index` must have shape [B, {self.num_lines}], got {tuple(index.shape)}")
        if not (index >= 0).all():
            raise ValueError("`index` must be >= 0 and not NaN")
        centre, directions = self._directions(centre, angle)
        radii = (index.to(centre.dtype) + 1) * self.step_px
        return centre[:, None] + radii[..., None] * directions

    def rasterise(
        self,
        index: Tensor,
        centre: Tensor,
        spatial_size: Sequence[int],
        angle: Tensor | None = None,
        limit_px: float = 16.0,
    ) -> Tensor:
        """Signed distance in pixels to the polygon of a contour, positive inside: the mask is where it is > 0.

        Args:
            index: [B, N], indices, whole or smoothed, >= 0.
            centre: [B, 2], inside the image.
            spatial_size: (H, W) of the result.
            angle: [B], default 0.
            limit_px: distances are cut to -limit_px .. limit_px, > 0, default 16.

        Returns:
            [B, 1, H, W], float32 or float64 as the centre, on its device.

        Raises:
            ValueError: for another shape, or an item whose centre is NaN or outside the image.
        """
        _check_centre(centre, len(index), spatial_size)
        points = self.contour_points(index, centre, angle)
        return polygon_signed_distance(points, centre, spatial_size, limit_px)

    def _sample(
        self, image: Tensor, centre: Tensor, angle: Tensor | None, radii: Tensor, mode: str, padding: str
    ) -> Tensor:
        """Values of ``image`` at the given radii of each line: [B, N, len(radii)]."""
        _check_centre(centre, len(image), image.shape[2:])
        image = image.to(torch.promote_types(image.dtype, torch.float32))
        centre, directions = self._directions(centre.to(image), angle)
        points = centre[:, None, None] + directions[:, :, None] * radii[:, None].to(image)  # [B, N, R, 2]
        size = torch.tensor(image.shape[2:]).to(image)
        grid = (2 * points + 1) / size - 1  # -1 and 1 are the outer edges of the first and the last pixel
        sampled = F.grid_sample(image, grid.flip(-1), mode=mode, padding_mode=padding, align_corners=False)
        return sampled[:, 0]

    def _directions(self, centre: Tensor, angle: Tensor | None) -> tuple[Tensor, Tensor]:
        """The centre as float32 at least, and the lines' unit vectors [B or 1, N, 2] beside it."""
        centre = centre.to(torch.promote_types(centre.dtype, torch.float32))
        lines = torch.arange(self.num_lines, device=centre.device, dtype=centre.dtype)
        turn = lines[None] * (2 * math.pi / self.num_lines)
        if angle is not None:
            if angle.shape != centre.shape[:1]:
                raise ValueError(f"`angle` must have shape [{len(centre)}], got {tuple(angle.shape)}")
            turn = turn + angle.to(centre)[:, None]
        return centre, torch.stack([turn.cos(), turn.sin()], dim=-1)


def smooth_contour(index: Tensor, size: int = 5) -> Tensor:
    """Moving average of ``size`` neighbouring lines around the closed contour.

    Args:
        index: [B, N] indices, whole or fractional.
        size: odd, 1 .. N, default 5 as in the paper; 1 changes nothing.

    Returns:
        [B, N], float32 or float64.

    Raises:
        ValueError: for another shape or size.
    """
    if index.ndim != 2:
        raise ValueError(f"`index` must have shape [B, N], got {tuple(index.shape)}")
    if size < 1 or size % 2 == 0 or size > index.shape[1]:
        raise ValueError(f"`size` must be odd and in 1 .. {index.shape[1]}, got {size}")
    index = index.to(torch.promote_types(index.dtype, torch.float32))
    padded = F.pad(index[:, None], (size // 2, size // 2), mode="circular")
    return F.avg_pool1d(padded, size, stride=1)[:, 0]


def _first_crossing(profile: Tensor, leading: Tensor) -> Tensor:
    """Position, in samples, where a profile first falls through 1/2, linear between two samples.

    A profile that starts below 1/2 gives 0, one that never falls the last sample.
    """
    after = leading.clamp(1, profile.shape[2] - 1)[..., None]
    inner, outer = profile.gather(2, after - 1)[..., 0], profile.gather(2, after)[..., 0]
    fraction = (inner - 0.5) / (inner - outer)
    position = (leading - 1 + fraction).where(leading < profile.shape[2], profile.shape[2] - 1.0)
    return position.where(leading > 0, 0.0)


def _report(failed: Tensor, message: str, clamp: bool) -> None:
    """Raise for the first failed item, or warn once for all."""
    if failed.any():
        if not clamp:
            raise ValueError(message.format(f"item {int(failed.nonzero()[0])}"))
        warnings.warn(f"{message.format('some item')}: clamped", stacklevel=3)


def _check_image(name: str, image: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 1:
        raise ValueError(f"`{name}` must have shape [B, 1, H, W], got {tuple(image.shape)}")


def _check_centre(centre: Tensor, batch: int, spatial_size: Sequence[int]) -> None:
    if centre.shape != (batch, 2):
        raise ValueError(f"`centre` must have shape [{batch}, 2], got {tuple(centre.shape)}")
    upper = torch.tensor(spatial_size, device=centre.device) - 0.5
    inside = ((centre >= -0.5) & (centre <= upper)).all(1)  # NaN compares false
    if not inside.all():
        item = int((~inside).nonzero()[0])
        place = tuple(round(float(x), 2) for x in centre[item])
        raise ValueError(f"`centre` of item {item} lies outside the image of size {tuple(spatial_size)}: {place}")
