"""Points of a file where its image has another grid by now."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from torch import Tensor

__all__ = ["on_grid"]


def on_grid(image: Tensor, points: Sequence[Sequence[float]]) -> Tensor:
    """Points of the file on the grid of a prepared image, by its affines.

    Args:
        image: [C, \\*S]; without meta data the grid is the file's.
        points: voxel indices in the file, with S numbers each.

    Shape:
        -> float32 [n, S].
    """
    dims = image.ndim - 1
    homogeneous = torch.zeros(4, len(points), dtype=torch.float64)
    homogeneous[:dims] = torch.tensor(points, dtype=torch.float64).reshape(-1, dims).T
    homogeneous[3] = 1
    if isinstance(image, MetaTensor):
        # a picture (PNG, JPEG) has no affine of its own: its pixels are the world
        original = image.meta.get("original_affine")
        file = torch.as_tensor(torch.eye(4) if original is None else original, dtype=torch.float64)
        homogeneous = torch.linalg.solve(torch.as_tensor(image.affine, dtype=torch.float64), file @ homogeneous)
    return homogeneous[:dims].T.float()
