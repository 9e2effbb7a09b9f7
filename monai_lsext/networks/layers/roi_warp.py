"""Crops of a feature map in boxes, differentiable in the features and in the boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["check_boxes", "roi_warp", "sample_in_boxes"]

# a box may reach over the border by so much of the side: what dividing by the stride in float32 leaves
_ROUNDING = 1e-4


def roi_warp(features: Tensor, boxes: Sequence[Tensor] | Tensor, output_size: int, stride: float = 1.0) -> Tensor:
    """Features in boxes, warped to one size by bilinear interpolation and max-pooled.

    Each box is cut into 2m cells along each axis; the features are interpolated at the cells' centres (in 3D
    trilinearly), and each 2 x 2 (2 x 2 x 2) neighbours give their maximum: m cells along each axis.

    Args:
        features: map of the batch.
        boxes: the boxes of each item of the batch, in pixels of the image, (start_1, .., start_d, end_1, .., end_d)
            in the order of the spatial axes; point i of the image covers [i, i + 1].
        output_size: m, >= 1.
        stride: pixels of the image in one point of the features, > 0, default 1.

    Shape:
        features [B, C, \\*S], boxes B times [N_b, 2d] -> [N_1 + .. + N_B, C, m, .., m]; 2D and 3D.

    Returns:
        the crops in the order of the boxes, in float32 at least; without any box, an empty tensor.

    Raises:
        ValueError: for a box with a coordinate that is no number, without extent, or outside the image; for boxes of
            another shape; for ``output_size`` or ``stride`` out of range.

    Note:
        The paper tells RoI warping twice: as max-pooling over m x m windows, and as bilinear interpolation with a
        derivative by the box. Interpolation to 2m points and pooling of 2 x 2 is both.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, sections 3.2 and 4.
    """
    if output_size < 1:
        raise ValueError(f"`output_size` must be >= 1, got {output_size}")
    crops = sample_in_boxes(features, boxes, 2 * output_size, stride)
    pool = F.max_pool2d if features.ndim == 4 else F.max_pool3d
    return pool(crops, 2)


def sample_in_boxes(
    features: Tensor, boxes: Sequence[Tensor] | Tensor, output_size: int, stride: float = 1.0, mode: str = "bilinear"
) -> Tensor:
    """:func:`roi_warp` before the pooling: the features at the centres of m cells a side of each box.

    Args:
        features: as there.
        boxes: as there.
        output_size: m, >= 1.
        stride: as there.
        mode: ``bilinear`` (default) or ``nearest``, for maps of labels.

    Shape:
        features [B, C, \\*S], boxes B times [N_b, 2d] -> [N_1 + .. + N_B, C, m, .., m].

    Raises:
        ValueError: as there.
    """
    size = features.shape[2:]
    if features.ndim not in (4, 5):
        raise ValueError(f"`features` must have shape [B, C, H, W] or [B, C, H, W, D], got {tuple(features.shape)}")
    if stride <= 0:
        raise ValueError(f"`stride` must be > 0, got {stride}")
    if len(boxes) != len(features):
        raise ValueError(f"`boxes` must be given for each of the {len(features)} items of the batch, got {len(boxes)}")
    # a coordinate in half precision would be off by pixels
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    crops = []
    for item, item_boxes in zip(features, boxes, strict=True):
        check_boxes(item_boxes, [stride * length for length in size])
        grid = _grid(item_boxes.to(features.dtype) / stride, size, output_size)
        # all boxes lie along one axis of one grid, so that the features are not copied for each of them
        count = len(item_boxes)
        sampled = F.grid_sample(
            item[None], grid.flatten(0, 1)[None], mode=mode, padding_mode="border", align_corners=False
        )
        crops.append(sampled[0].unflatten(1, (count, output_size)).transpose(0, 1))
    return torch.cat(crops)


def check_boxes(boxes: Tensor, image_size: Sequence[float]) -> None:
    """Refuse boxes that have no place in an image.

    Args:
        boxes: as for :func:`roi_warp`.
        image_size: sides of the image in pixels.

    Shape:
        boxes [N, 2d] with d sides.

    Raises:
        ValueError: naming the first bad box.
    """
    dims = len(image_size)
    if boxes.ndim != 2 or boxes.shape[1] != 2 * dims:
        raise ValueError(f"`boxes` must have shape [N, {2 * dims}], got {tuple(boxes.shape)}")
    boxes = boxes.detach()
    start, end = boxes.chunk(2, dim=1)
    limit = torch.tensor(image_size, device=boxes.device)
    slack = _ROUNDING * limit
    faults = {
        "must have finite coordinates": ~torch.isfinite(boxes).all(1),
        "must end after its start on each axis": ~(end > start).all(1),
        f"must lie in the image of size {tuple(round(side, 2) for side in image_size)}": (
            (start < -slack) | (end > limit + slack)
        ).any(1),
    }
    if not bool(torch.stack(list(faults.values())).any()):
        return
    for sentence, bad in faults.items():
        if bool(bad.any()):
            index = int(bad.nonzero()[0])
            raise ValueError(f"box {index} {sentence}, got {[round(v, 2) for v in boxes[index].tolist()]}")


def _grid(boxes: Tensor, size: Sequence[int], output_size: int) -> Tensor:
    """Sampling points [N, m, .., m, d] in ``grid_sample``'s unit: -1 and 1 are the image's borders, last axis first."""
    start, end = boxes.chunk(2, dim=1)
    fraction = (torch.arange(output_size, device=boxes.device, dtype=boxes.dtype) + 0.5) / output_size
    points = start[..., None] + (end - start)[..., None] * fraction  # [N, d, m]
    dims = len(size)
    planes = []
    for axis in range(dims):
        place = [1] * dims
        place[axis] = output_size
        along = 2 * points[:, axis] / size[axis] - 1
        planes.append(along.view(-1, *place).expand(-1, *[output_size] * dims))
    return torch.stack(planes[::-1], dim=-1)
