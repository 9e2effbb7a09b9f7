"""Mean average precision of instance masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from monai.apps.detection.metrics.coco import COCOMetric
from monai.apps.detection.metrics.matching import matching_batch
from numpy.typing import NDArray
from torch import Tensor

from monai_lsext.gathered import gathered
from monai_lsext.networks.layers.instance_targets import instance_targets

__all__ = ["InstanceAveragePrecision", "mask_iou"]

_RANGE = (0.5, 0.95, 0.05)
Found = Mapping[str, Tensor]


def mask_iou(masks: Tensor, ids: Tensor, numbers: Tensor) -> NDArray[np.float64]:
    """Intersection over union of masks with the objects of a map.

    Args:
        masks: bool.
        ids: map of the objects' numbers.
        numbers: those that count.

    Shape:
        masks [N, H, W], ids [H, W], numbers [G] -> [N, G].
    """
    flat = ids.long().flatten()
    highest = int(flat.max()) if flat.numel() else 0
    areas = flat.bincount(minlength=highest + 1)[numbers]
    overlap = np.zeros((len(masks), len(numbers)))
    for row, mask in zip(overlap, masks.flatten(1), strict=True):
        shared = flat[mask].bincount(minlength=highest + 1)[numbers]
        row[:] = (shared / (areas + mask.sum() - shared)).cpu().numpy()
    return overlap


class InstanceAveragePrecision:
    """mAP^r: average precision of ranked instance masks, the mean over the classes.

    A detection is right when its mask has an IoU of at least the threshold with an object of its class that no better
    one has taken; precision is interpolated at 101 recalls, as COCO does. Classes without any object do not count.

    Args:
        num_classes: K, >= 1.
        max_detections: of each class in an image only so many, the best-scored, count; >= 1, default 100.

    Raises:
        ValueError: for an argument out of range; for predictions and labels of different number or size; for a label
            that :func:`instance_targets` refuses; when no object was collected.

    Note:
        The matching and the curves are MONAI's ``matching_batch`` and ``COCOMetric``, whose mean would count a class
        without objects as -1: it is given the others alone.

    Reference:
        Hariharan et al., "Simultaneous detection and segmentation", 2014 (AP^r); Lin et al., "Microsoft COCO", 2014.
    """

    def __init__(self, num_classes: int, max_detections: int = 100) -> None:
        for name, value in (("num_classes", num_classes), ("max_detections", max_detections)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        self.num_classes = num_classes
        self.max_detections = max_detections
        self.thresholds = self._metric([]).get_iou_thresholds()
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self._matches: list[dict[int, dict[str, NDArray[Any]]]] = []

    def __call__(self, y_pred: Sequence[Found], y: Sequence[Tensor] | Tensor) -> None:
        """Collect a batch.

        Args:
            y_pred: what ``CRLS.detect`` returns, for each image "masks" [N, H, W], "labels" [N] and "scores" [N].
            y: label [2, H, W] of each image, instance ids and class ids.
        """
        if len(y_pred) != len(y):
            raise ValueError(f"`y_pred` and `y` must have one length, got {len(y_pred)} and {len(y)}")
        for found, label in zip(y_pred, y, strict=True):
            label = torch.as_tensor(label).to(found["masks"].device)
            objects = instance_targets(label, self.num_classes)
            if found["masks"].shape[1:] != label.shape[1:]:
                shapes = tuple(found["masks"].shape[1:]), tuple(label.shape[1:])
                raise ValueError(f"masks and label must have one size, got {shapes[0]} and {shapes[1]}")
            # numbers of masks and objects stand for them: MONAI's matching looks up their IoU
            self._matches += matching_batch(
                iou_fn=partial(_looked_up, mask_iou(found["masks"], label[0], objects.ids)),
                iou_thresholds=self.thresholds,
                pred_boxes=[np.arange(len(found["masks"]))],
                pred_classes=[found["labels"].cpu().numpy() - 1],
                pred_scores=[found["scores"].cpu().numpy()],
                gt_boxes=[np.arange(len(objects.ids))],
                gt_classes=[objects.classes.cpu().numpy() - 1],
                max_detections=self.max_detections,
            )

    def aggregate(self) -> dict[str, float]:
        """``mAP@0.5``, ``mAP@0.7`` and ``mAP@[.5:.95]``, 0 to 1, over the images of all processes."""
        scores = self._scores(self._of_all_processes())
        if not scores:
            raise ValueError("nothing to aggregate: call the metric on at least one image with an object first")
        return scores

    def of_images(self) -> Tensor:
        """The same three of each image by itself, [N, 3]; not a number for an image without objects."""
        rows = [list(self._scores([match]).values()) or [float("nan")] * 3 for match in self._of_all_processes()]
        return torch.tensor(rows)

    def _of_all_processes(self) -> list[dict[int, dict[str, NDArray[Any]]]]:
        return [match for part in gathered(self._matches) for match in part]

    def _scores(self, matches: Sequence[dict[int, dict[str, NDArray[Any]]]]) -> dict[str, float]:
        """Empty where no match has an object."""
        present = sorted({c for match in matches for c, part in match.items() if len(part["gtIgnore"])})
        if not present:
            return {}
        chosen = [{place: match[kind] for place, kind in enumerate(present) if kind in match} for match in matches]
        scores = self._metric([str(kind + 1) for kind in present])(chosen)[0]
        named = {"mAP@0.5": "AP_IoU_0.50", "mAP@0.7": "AP_IoU_0.70", "mAP@[.5:.95]": "mAP_IoU_0.50_0.95_0.05"}
        return {name: scores[f"{key}_MaxDet_{self.max_detections}"] for name, key in named.items()}

    def _metric(self, classes: Sequence[str]) -> COCOMetric:
        limits = [self.max_detections]
        return COCOMetric(classes, [0.5, 0.7], _RANGE, limits, per_class=False, verbose=False)


def _looked_up(overlap: NDArray[np.float64], masks: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
    return overlap[np.ix_(masks, ids)]
