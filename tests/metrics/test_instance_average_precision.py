"""mAP^r by hand and against pycocotools; classes without objects, images without objects, bad input."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_lsext.metrics import InstanceAveragePrecision
from monai_lsext.metrics.instance_average_precision import mask_iou


def row(*runs: tuple[int, int, int]) -> Tensor:
    """Label of one row of 100 pixels: (first pixel, length, class) of each object."""
    label = torch.zeros(2, 1, 100)
    for number, (start, length, kind) in enumerate(runs, 1):
        label[0, 0, start : start + length] = number
        label[1, 0, start : start + length] = kind
    return label


def found(*runs: tuple[int, int, int, float]) -> dict[str, Tensor]:
    masks = torch.zeros(len(runs), 1, 100, dtype=torch.bool)
    for mask, (start, length, _, _) in zip(masks, runs, strict=True):
        mask[0, start : start + length] = True
    return {
        "masks": masks,
        "labels": torch.tensor([run[2] for run in runs], dtype=torch.long),
        "scores": torch.tensor([run[3] for run in runs]),
    }


def test_iou() -> None:
    masks = found((0, 10, 1, 1.0), (5, 10, 1, 1.0))["masks"]
    label = row((0, 10, 1), (20, 10, 1))
    overlap = mask_iou(masks, label[0], torch.tensor([1, 2]))
    assert overlap.tolist() == pytest.approx(np.array([[1.0, 0.0], [5 / 15, 0.0]]))


def test_two_objects_one_found_after_a_false_one() -> None:
    """Ranked wrong, right: precision 1/2 up to recall 1/2, 51 of the 101 recalls."""
    metric = InstanceAveragePrecision(1)
    # IoU 8/10 with the first object
    metric([found((50, 5, 1, 0.9), (0, 8, 1, 0.8))], [row((0, 10, 1), (20, 10, 1))])
    scores = metric.aggregate()
    assert scores["mAP@0.5"] == scores["mAP@0.7"] == pytest.approx(0.5 * 51 / 101)
    # right at 0.5, .55, .. 0.8: seven of ten thresholds
    assert scores["mAP@[.5:.95]"] == pytest.approx(0.5 * 51 / 101 * 0.7)


def test_a_double_is_wrong_and_a_class_must_agree() -> None:
    metric = InstanceAveragePrecision(2)
    metric([found((0, 10, 1, 0.9), (0, 10, 1, 0.8), (20, 10, 1, 0.7))], [row((0, 10, 1), (20, 10, 2))])
    # class 1 is found first: 1; class 2 is not: 0
    assert metric.aggregate()["mAP@0.5"] == pytest.approx(0.5)


def test_classes_without_objects_do_not_count_and_empty_images_do() -> None:
    metric = InstanceAveragePrecision(3)
    metric([found((0, 10, 2, 0.5))], [row((0, 10, 2))])
    assert metric.aggregate()["mAP@0.5"] == pytest.approx(1)
    metric([found((0, 10, 2, 0.9)), found()], torch.stack([row(), row()]))
    # a better-scored false one before the right one
    assert metric.aggregate()["mAP@0.5"] == pytest.approx(0.5)
    metric.reset()
    with pytest.raises(ValueError, match="nothing to aggregate: call the metric on at least one image with an object"):
        metric.aggregate()


def scene(rng: np.random.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """Discs of three classes, and detections that are shifted, doubled, missed, invented or of a wrong class."""
    y, x = np.mgrid[:60, :60]
    label, masks, kinds, scores = np.zeros((2, 60, 60)), [], [], []
    for number in range(1, int(rng.integers(2, 7))):
        centre, radius, kind = rng.uniform(5, 55, 2), rng.uniform(4, 10), int(rng.integers(1, 4))
        free = (np.hypot(y - centre[0], x - centre[1]) < radius) & (label[0] == 0)
        if not free.any():
            continue
        label[0][free], label[1][free] = number, kind
        for _ in range(int(rng.integers(0, 3))):
            moved = centre + rng.normal(0, 1.5, 2)
            masks.append(np.hypot(y - moved[0], x - moved[1]) < radius)
            kinds.append(kind if rng.random() < 0.8 else int(rng.integers(1, 4)))
            scores.append(rng.random())
    picture = {
        "masks": torch.from_numpy(np.array(masks, bool).reshape(-1, 60, 60)),
        "labels": torch.tensor(kinds, dtype=torch.long),
        "scores": torch.tensor(scores, dtype=torch.float64),
    }
    return picture, torch.from_numpy(label)


def by_pycocotools(scenes: list[tuple[dict[str, Tensor], Tensor]], max_detections: int) -> dict[str, float]:
    from pycocotools import mask as rle
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def coded(mask: np.ndarray) -> dict[str, Any]:
        return rle.encode(np.asfortranarray(mask.astype(np.uint8)))

    truth, results = [], []
    for image_id, (picture, label) in enumerate(scenes, 1):
        ids, kinds = label.numpy()
        for number in np.unique(ids[ids > 0]):
            mask = ids == number
            entry = {"image_id": image_id, "category_id": int(kinds[mask][0]), "iscrowd": 0, "area": int(mask.sum())}
            truth.append({**entry, "id": len(truth) + 1, "segmentation": coded(mask)})
        for mask, kind, score in zip(*[picture[key].numpy() for key in ("masks", "labels", "scores")], strict=True):
            entry = {"image_id": image_id, "category_id": int(kind), "score": float(score)}
            results.append({**entry, "segmentation": coded(mask)})
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i, "height": 60, "width": 60} for i in range(1, len(scenes) + 1)],
        "categories": [{"id": kind} for kind in (1, 2, 3)],
        "annotations": truth,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "segm")
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # threshold, recall, class
    precision = precision[:, :, precision[0, 0] > -1]
    return {
        "mAP@0.5": precision[0].mean(),
        "mAP@0.7": precision[4].mean(),
        "mAP@[.5:.95]": precision.mean(),
    }


@pytest.mark.parametrize(("seed", "max_detections"), [(0, 100), (1, 100), (2, 2)])
def test_agrees_with_pycocotools(seed: int, max_detections: int) -> None:
    pytest.importorskip("pycocotools")
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in range(12)]
    metric = InstanceAveragePrecision(3, max_detections)
    for picture, label in scenes:
        metric([picture], [label])
    ours = metric.aggregate()
    assert ours == pytest.approx(by_pycocotools(scenes, max_detections), abs=1e-9)
    assert 0.05 < ours["mAP@[.5:.95]"] < ours["mAP@0.5"] < 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be >= 1, got 0"),
        ({"num_classes": 1, "max_detections": 0}, "`max_detections` must be >= 1, got 0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InstanceAveragePrecision(**options)


def test_bad_input() -> None:
    metric = InstanceAveragePrecision(1)
    with pytest.raises(ValueError, match="`y_pred` and `y` must have one length, got 1 and 2"):
        metric([found()], [row(), row()])
    with pytest.raises(ValueError, match=r"masks and label must have one size, got \(1, 100\) and \(2, 50\)"):
        metric([found()], [row().view(2, 2, 50)])
    with pytest.raises(ValueError, match="class ids must be 1 to 1, got 2 for instance 1"):
        metric([found()], [row((0, 4, 2))])
