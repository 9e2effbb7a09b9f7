"""A 2D network over a 2D image or over every slice of a volume, with one point for networks that take one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from .file_points import on_grid

__all__ = ["SliceWiseInferer"]


class SliceWiseInferer(Inferer):
    """Runs a 2D network on a 2D image, or on the slices of a volume along its last axis.

    MONAI's ``SliceInferer`` cuts slices of one fixed size and gives every one the same further arguments; this one
    takes slices as large as they are and hands a centre to the network, which EDPCNN needs.

    Args:
        batch_size: slices that go through the network at once, >= 1, default 16.
        centre: point of the object, for networks with an argument ``centre``: the first two voxel indices in the
            file, the same in every slice; None (default): the network finds the object itself. Transforms that
            changed the grid since the file was loaded are followed by the image's affine.

    Shape:
        image [B, C, W, H] or [B, C, W, H, D] -> the network's [B, K, W, H] or [B, K, W, H, D].

    Raises:
        ValueError: at construction for a ``batch_size`` below 1 or a centre that is not two finite numbers; at a call
            for an image with other axes. The network itself refuses a centre outside the image.
    """

    def __init__(self, batch_size: int = 16, centre: Sequence[float] | None = None) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be >= 1, got {batch_size}")
        point = None if centre is None else tuple(float(value) for value in centre)
        if point is not None and (len(point) != 2 or not all(math.isfinite(value) for value in point)):
            raise ValueError(f"`centre` must be two finite numbers, got {centre}")
        self.batch_size = batch_size
        self.centre = point

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Infer; ``centre=[B, 2]`` in ``kwargs``, on the grid of ``inputs``, goes before that of the construction.

        Args:
            inputs: [B, C, W, H] or [B, C, W, H, D].
            network: takes [n, C, W, H] and, where there is a centre, ``centre=[n, 2]``.
            args: further arguments of the network.
            kwargs: further named arguments of the network.
        """
        if inputs.ndim not in (4, 5):
            raise ValueError(f"`inputs` must have shape [B, C, W, H] or [B, C, W, H, D], got {tuple(inputs.shape)}")
        centre = kwargs.pop("centre", None)
        if centre is None and self.centre is not None:
            # of a volume the point in its first slice: all have the same place in the plane
            point = (*self.centre, *(0.0,) * (inputs.ndim - 4))
            centre = torch.cat([on_grid(image, [point])[:, :2] for image in inputs])
        depth = inputs.shape[4] if inputs.ndim == 5 else 1
        plain = convert_to_tensor(inputs, track_meta=False)  # slices have no meta of their own
        slices = plain.movedim(4, 1).flatten(0, 1) if inputs.ndim == 5 else plain  # [B * D, C, W, H]
        parts = []
        for start in range(0, len(slices), self.batch_size):
            end = min(start + self.batch_size, len(slices))
            if centre is not None:
                kwargs["centre"] = torch.as_tensor(centre)[[index // depth for index in range(start, end)]]
            parts.append(network(slices[start:end], *args, **kwargs))
        result = torch.cat(parts)
        if inputs.ndim == 5:
            result = result.unflatten(0, (-1, depth)).movedim(1, 4)
        return convert_to_dst_type(result, inputs, dtype=result.dtype)[0]
