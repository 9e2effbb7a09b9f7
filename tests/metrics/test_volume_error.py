"""Volume differences against hand-counted masks."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_lsext.handlers import VolumeErrorML
from monai_lsext.metrics import VolumeError


def masks() -> tuple[torch.Tensor, torch.Tensor]:
    estimate, truth = torch.zeros(2, 1, 10, 10, 10), torch.zeros(2, 1, 10, 10, 10)
    truth[:, :, :5] = 1  # 500 voxels
    estimate[0, :, :4] = 1  # 400
    estimate[1, :, :8] = 1  # 800
    return estimate, truth


def test_millilitres_by_each_item_s_spacing() -> None:
    metric = VolumeError(reduction="none")
    estimate, truth = masks()
    metric(estimate, truth, spacing=[[1, 1, 1], [2, 2, 0.5]])
    assert torch.allclose(metric.aggregate(), torch.tensor([[0.1], [0.6]]))


def test_handler_reads_the_spacing_of_the_truth() -> None:
    estimate, truth = masks()
    affine = torch.diag(torch.tensor([2.0, -2.0, 3.0, 1.0], dtype=torch.float64))
    handler = VolumeErrorML(save_details=False)
    handler.update((list(estimate), [MetaTensor(item, affine=affine) for item in truth]))
    assert float(handler.compute()) == pytest.approx((0.1 * 12 + 0.3 * 12) / 2)


def test_masks_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`y_pred` and `y` must be \[B, C, W, H, D\], got"):
        VolumeError()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))
