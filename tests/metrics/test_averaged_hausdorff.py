"""Averaged Hausdorff distance against closed forms, a brute-force search, and what MONAI's mean is not."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.metrics import SurfaceDistanceMetric
from scipy.ndimage import binary_erosion

from monai_lsext.handlers import AveragedHausdorffMM
from monai_lsext.metrics import AveragedHausdorffDistance
from monai_lsext.networks.layers import averaged_hausdorff_distance


def brute_force(a: torch.Tensor, b: torch.Tensor, spacing: tuple[float, ...]) -> float:
    """Every border pixel of the one against every border pixel of the other."""
    borders = [np.argwhere(m & ~binary_erosion(m)) * np.array(spacing) for m in (a.numpy(), b.numpy())]
    directed = []
    for here, there in (borders, borders[::-1]):
        directed.append(np.mean([min(math.dist(p, q) for q in there) for p in here]))
    return float(sum(directed) / 2)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 2.0, 3.0)])
@pytest.mark.parametrize("dims", [2, 3])
def test_equals_a_brute_force_search(dims: int, spacing: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        a, b = (torch.rand(*(7, 6, 5)[:dims], generator=generator) > 0.6 for _ in range(2))
        found = averaged_hausdorff_distance(a, b, spacing[:dims])
        assert found == pytest.approx(brute_force(a, b, spacing[:dims]), abs=1e-5)
        assert averaged_hausdorff_distance(b, a, spacing[:dims]) == pytest.approx(found, abs=1e-6)


def test_closed_forms() -> None:
    """A pixel against a line of three at 4 mm, and parallel lines."""
    point, line = torch.zeros(9, 9), torch.zeros(9, 9)
    point[1, 4] = 1
    line[5, 3:6] = 1
    ends = math.hypot(4, 1)
    assert averaged_hausdorff_distance(point, line) == pytest.approx((4 + (4 + 2 * ends) / 3) / 2, abs=1e-6)
    pooled = SurfaceDistanceMetric(include_background=True, symmetric=True)(point[None, None], line[None, None])
    assert float(pooled) == pytest.approx((4 + 4 + 2 * ends) / 4, abs=1e-6)  # another number
    one, other = torch.zeros(9, 9), torch.zeros(9, 9)
    one[2], other[5] = 1, 1
    assert averaged_hausdorff_distance(one, other, (2.5, 0.7)) == pytest.approx(7.5, abs=1e-6)


def test_a_volume_of_one_slice_is_measured_in_its_plane() -> None:
    a, b = torch.zeros(12, 12), torch.zeros(12, 12)
    a[2:9, 2:9], b[4:11, 3:10] = 1, 1
    expected = averaged_hausdorff_distance(a, b, (0.5, 2.0))
    assert averaged_hausdorff_distance(a[..., None], b[..., None], (0.5, 2.0, 7.0)) == expected
    assert expected > 0.5


def test_empty_masks() -> None:
    empty, full = torch.zeros(4, 4), torch.ones(4, 4)
    assert averaged_hausdorff_distance(empty, empty) == 0
    assert averaged_hausdorff_distance(full, full) == 0
    assert averaged_hausdorff_distance(empty, full) == averaged_hausdorff_distance(full, empty) == math.inf


@pytest.mark.parametrize(
    ("shape", "spacing", "message"),
    [
        ((4, 5), None, r"`a` and `b` must be 2D or 3D of one shape, got \(4, 4\) and \(4, 5\)"),
        ((4, 4), (1.0,), r"`spacing_mm` must be 2 numbers > 0, got \(1.0,\)"),
        ((4, 4), (1.0, 0.0), r"`spacing_mm` must be 2 numbers > 0, got \(1.0, 0.0\)"),
        ((4, 4), (1.0, math.nan), r"`spacing_mm` must be 2 numbers > 0, got \(1.0, nan\)"),
    ],
)
def test_bad_arguments(shape: tuple[int, ...], spacing: tuple[float, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        averaged_hausdorff_distance(torch.zeros(4, 4), torch.zeros(shape), spacing)


def masks() -> tuple[torch.Tensor, torch.Tensor]:
    """Two items of two channels; the planes are 3 voxels apart, and one channel is missed."""
    estimate, truth = torch.zeros(2, 2, 6, 6, 6), torch.zeros(2, 2, 6, 6, 6)
    estimate[:, 0, :, :, 1] = truth[:, 0, :, :, 4] = 1
    truth[0, 1, 2, 2, 2] = 1
    return estimate, truth


def test_metric_of_each_item_and_channel_with_its_spacing() -> None:
    metric = AveragedHausdorffDistance(reduction="none")
    estimate, truth = masks()
    metric(estimate, truth, spacing=[[1, 1, 2], [1, 1, 0.5]])
    assert metric.aggregate().tolist() == [[6.0, math.inf], [1.5, 0.0]]
    assert math.isinf(float(metric.aggregate("mean")))
    metric.reset()
    metric(estimate, truth, spacing=2)
    assert metric.aggregate()[:, 0].tolist() == [6.0, 6.0]


def test_handler_reads_the_spacing_of_the_truth() -> None:
    estimate, truth = masks()
    handler = AveragedHausdorffMM(save_details=False)
    truths = [
        MetaTensor(item[:1], affine=torch.diag(torch.tensor([-1.0, 1.0, depth, 1.0], dtype=torch.float64)))
        for item, depth in zip(truth, (2.0, 0.5), strict=True)
    ]
    handler.update((list(estimate[:, :1]), truths))
    assert float(handler.compute()) == pytest.approx((6 + 1.5) / 2)


def test_masks_of_other_shapes_are_refused() -> None:
    for a, b in itertools.permutations([(1, 1, 4, 4), (1, 1, 4, 5)]):
        with pytest.raises(ValueError, match=r"`y_pred` and `y` must both have shape \[B, C, \*S\], got"):
            AveragedHausdorffDistance()(torch.zeros(a), torch.zeros(b))
