"""mAP as an Ignite metric: the values of the metric itself, each image's own, and images without objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from monai.handlers import from_engine

from monai_lsext.handlers import MeanAveragePrecision
from monai_lsext.metrics import InstanceAveragePrecision

Item = dict[str, Any]


def items() -> list[Item]:
    """An object found exactly; one found with IoU 0.6 and a false one above it; none; one of two found."""
    label = torch.zeros(4, 2, 10, 20)
    for index, row in ((0, 0), (1, 0), (3, 0), (3, 5)):
        label[index, 0, row : row + 3, :10], label[index, 1, row : row + 3, :10] = row + 1, 1
    masks = torch.zeros(4, 2, 10, 20, dtype=torch.bool)
    masks[[0, 3], 0, :3, :10] = True
    masks[1, 1, :3, :6] = True
    masks[1:3, 0, 8:, 15:] = True
    scores = [[0.9], [0.8, 0.7], [0.6], [0.5]]
    return [
        {
            "image": torch.zeros(1, 10, 20),
            "label": label[i],
            "pred": {"masks": masks[i, : len(s)], "labels": torch.ones(len(s)).long(), "scores": torch.tensor(s)},
        }
        for i, s in enumerate(scores)
    ]


def test_values_on_an_evaluator() -> None:
    data = items()
    found = [item.pop("pred") for item in data]
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=torch.utils.data.DataLoader(data, batch_size=2),
        network=torch.nn.Identity(),
        inferer=lambda inputs, network: [found.pop(0) for _ in inputs],
        decollate=False,
        key_val_metric={"val_map": MeanAveragePrecision(output_transform=from_engine(["pred", "label"]))},
    )
    evaluator.run()
    direct = InstanceAveragePrecision(1)
    direct([item["pred"] for item in items()], [item["label"] for item in items()])
    expected = direct.aggregate()
    assert {name: evaluator.state.metrics[name] for name in expected} == expected
    assert evaluator.state.metrics["val_map"] == expected["mAP@0.5"]
    images = evaluator.state.metric_details["val_map"].numpy()
    # recall 1/2 reached: 51 of COCO's 101 recalls; a false one before the true one: precision 1/2
    half = 51 / 101
    np.testing.assert_allclose(images[[0, 1, 3]], [[1, 1, 1], [0.5, 0, 0.3 / 2], [half, half, half]], atol=1e-6, rtol=0)
    assert np.isnan(images[2]).all()


def test_no_object_at_all() -> None:
    metric = MeanAveragePrecision()
    empty = items()[2]
    metric.update(([empty["pred"]], [empty["label"]]))
    with pytest.raises(ValueError, match="call the metric on at least one image with an object first"):
        metric.compute()
