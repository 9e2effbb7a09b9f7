"""Inferers that start a network from a click or a box instead of where it starts by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_lsext.apps.label.points import Box
from monai_lsext.inferers.file_points import on_grid
from monai_lsext.networks.layers.initial_level_set import level_set_from_click

__all__ = ["CentreInferer", "StartInferer", "box_level_set"]

_DISC_SHARE, _SEED_PX = 0.4, 8.0


def box_level_set(corners: Tensor, spatial_size: Sequence[int]) -> Tensor:
    """Signed distance to the nearest face of a box, positive inside.

    ``phi = min over the axes of (x - low + 1/2, high + 1/2 - x)``

    Args:
        corners: [2, S], two opposite corners, the centres of their voxels.
        spatial_size: of the image.

    Shape:
        -> [1, 1, \\*S].
    """
    low, high = corners.amin(0), corners.amax(0)
    distances = []
    for axis, size in enumerate(spatial_size):
        x = torch.arange(size, dtype=torch.float32)
        faces = torch.minimum(x - low[axis] + 0.5, high[axis] + 0.5 - x)
        distances.append(faces.view([-1 if other == axis else 1 for other in range(len(spatial_size))]))
    return torch.stack(torch.broadcast_tensors(*distances)).amin(0)[None, None]


class CentreInferer(Inferer):
    """Hands a click to a network with an argument ``centre``.

    Args:
        inferer: of the bundle; gives further named arguments to the network.
        click: the first two voxel indices in the file.
    """

    def __init__(self, inferer: Inferer, click: Sequence[float]) -> None:
        super().__init__()
        self.inferer = inferer
        self.click = tuple(click[:2])

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Infer one image [1, C, \\*S]."""
        rest = (0.0,) * (inputs.ndim - 4)  # a volume: in its first slice; all have the same place in the plane
        centre = on_grid(inputs[0], [(*self.click, *rest)])[:, :2]
        return self.inferer(inputs, network, *args, centre=centre, **kwargs)


class StartInferer(Inferer):
    """Starts a network with an argument ``phi0`` from a disc around a click, or from a box.

    The start goes through the bundle's inferer as one more channel of the image, so that windows and shifts of the
    image are those of the start.

    Args:
        inferer: of the bundle.
        start: a click (a voxel index for each axis) or a box, in the file.
        disc: whether the network is trained to start from a disc much larger than the object; then a click is a disc
            with a radius of 0.4 of the prepared image's shortest side, and a box the disc about its middle whose radius
            is its longest side. Otherwise a click is a disc of 8 pixels, and a box itself.
    """

    def __init__(self, inferer: Inferer, start: Sequence[float] | Box, disc: bool) -> None:
        super().__init__()
        self.inferer = inferer
        self.start = start
        self.disc = disc

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Infer one image [1, C, \\*S]."""
        phi0 = self._level_set(inputs[0]).to(inputs.device)
        plain = convert_to_tensor(inputs, track_meta=False)

        def started(both: Tensor, *more: Any, **named: Any) -> Tensor:
            return network(both[:, :-1], both[:, -1:], *more, **named)

        result = self.inferer(torch.cat([plain, phi0], dim=1), started, *args, **kwargs)
        return convert_to_dst_type(result, inputs, dtype=result.dtype)[0]

    def _level_set(self, image: Tensor) -> Tensor:
        size = image.shape[1:]
        if isinstance(self.start, Box):
            corners = on_grid(image, [self.start.low, self.start.high])
            if not self.disc:
                return box_level_set(corners, size)
            middle, radius_px = corners.mean(0, keepdim=True), float((corners[1] - corners[0]).abs().max()) + 1
        else:
            middle, radius_px = on_grid(image, [self.start]), _DISC_SHARE * min(size) if self.disc else _SEED_PX
        # a click beside the region of interest starts at its border
        return level_set_from_click(middle.clamp(min=0).minimum(torch.tensor(size) - 1.0), size, radius_px)
