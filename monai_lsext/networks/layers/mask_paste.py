"""Masks of boxes back in the image, and the map of objects that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["instance_map", "paste_masks"]


def paste_masks(probabilities: Tensor, boxes: Tensor, image_size: Sequence[int]) -> Tensor:
    """Masks in the image, by bilinear interpolation of those in the boxes; inside where the probability is above 0.5.

    Args:
        probabilities: of the object, on the m x m cells of each box.
        boxes: in pixels, inside the image.
        image_size: rows and columns.

    Shape:
        probabilities [N, m, m], boxes [N, 4] -> bool [N, H, W].
    """
    masks = torch.zeros(len(boxes), *image_size, dtype=torch.bool, device=boxes.device)
    for mask, probability, box in zip(masks, probabilities.float(), boxes.tolist(), strict=True):
        places, window = [], []
        for start, end, size in zip(box[:2], box[2:], image_size, strict=True):
            # the pixels whose centres lie in the box
            first, last = max(int(start + 0.5), 0), min(int(end + 0.5), size)
            centres = torch.arange(first, last, device=boxes.device) + 0.5
            places.append(2 * (centres - start) / (end - start) - 1)
            window.append(slice(first, last))
        if len(places[0]) and len(places[1]):
            rows, columns = torch.meshgrid(*places, indexing="ij")
            grid = torch.stack([columns, rows], dim=-1)[None]
            inside = F.grid_sample(probability[None, None], grid, padding_mode="border", align_corners=False)
            mask[window[0], window[1]] = inside[0, 0] > 0.5
    return masks


def instance_map(found: Mapping[str, Tensor], min_score: float) -> Tensor:
    """Map of the objects: each pixel belongs to the best-scored mask on it.

    Args:
        found: of the objects of one image "masks", bool, "labels", 1 .. K, and "scores".
        min_score: objects with a lower score are left out.

    Shape:
        masks [N, H, W], labels and scores [N] -> float32 [3, H, W]: instance ids 1 .. n in the order of the scores,
        class ids, and scores; 0 is background.

    Note:
        An object of which better ones leave less than half is their double and left out.
    """
    masks, scores = found["masks"], found["scores"]
    drawn = torch.zeros(3, *masks.shape[1:], device=masks.device)
    number = 0
    for index in scores.argsort(descending=True, stable=True).tolist():
        free = masks[index] & (drawn[0] == 0)
        if float(scores[index]) < min_score or 2 * int(free.sum()) < max(int(masks[index].sum()), 1):
            continue
        number += 1
        drawn[0][free] = number
        drawn[1][free] = float(found["labels"][index])
        drawn[2][free] = float(scores[index])
    return drawn
