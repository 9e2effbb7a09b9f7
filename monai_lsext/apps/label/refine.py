"""A label map made smooth by a level set, on the image's edges."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import GaussianSmooth, LoadImage, NormalizeIntensity
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_lsext.evolution import LevelSetRefiner
from monai_lsext.transforms import LevelSetRefine

__all__ = ["REFINE_OPTIONS", "refined_label"]

# name in a request -> default; see LevelSetRefiner
REFINE_OPTIONS: dict[str, float] = {"num_iter": 50, "smoothness": 3.0, "edges": 4.0, "step": 1.0}
_BLUR_PX = 1.5


def refined_label(label: np.ndarray, image_path: str, options: dict[str, Any] | None = None) -> np.ndarray:
    """A label map refined value by value by :class:`LevelSetRefiner` from its blurred masks.

    Each value's mask, blurred by 1.5 voxels, is the probability to which a level set holds while it shortens its
    outline and snaps to edges of the image (brought to mean 0 and standard deviation 1). Where two values claim a
    voxel, the greater H(phi) has it.

    Args:
        label: whole numbers [W, H] or [W, H, D], 0 for the background.
        image_path: image on the label's grid; its voxel's proportions count.
        options: those of ``REFINE_OPTIONS`` that differ.

    Shape:
        -> int64, as ``label``.

    Raises:
        ValueError: for an unknown option, or one out of range.
    """
    chosen = {**REFINE_OPTIONS, **(options or {})}
    if set(chosen) != set(REFINE_OPTIONS):
        raise ValueError(f"refine's options are {sorted(REFINE_OPTIONS)}, got {sorted(chosen)}")
    values = [int(value) for value in np.unique(label) if value > 0]
    if not values:
        return label.astype(np.int64)
    image = _prepared(image_path, label.ndim)
    masks = torch.stack([torch.from_numpy(label == value).float() for value in values])
    probability = convert_to_tensor(GaussianSmooth(_BLUR_PX)(masks), track_meta=False)
    if isinstance(image, MetaTensor):
        probability = MetaTensor(probability, affine=image.affine)
    refiner = LevelSetRefiner(
        num_iter=int(chosen["num_iter"]),
        smoothness=float(chosen["smoothness"]),
        edges=float(chosen["edges"]),
        step=float(chosen["step"]),
    )
    refined = torch.as_tensor(LevelSetRefine(refiner, background=False)(probability, image))
    best, index = refined.max(0)
    return np.where(best.numpy() > 0.5, np.array(values)[index.numpy()], 0).astype(np.int64)


def _prepared(image_path: str, dims: int) -> Tensor:
    """[C, \\*S] of the label's number of axes."""
    image = LoadImage(ensure_channel_first=True, image_only=True)(image_path)
    if image.ndim == dims + 2 and image.shape[-1] == 1:
        image = image[..., 0]
    return cast(Tensor, NormalizeIntensity()(image.float()))
