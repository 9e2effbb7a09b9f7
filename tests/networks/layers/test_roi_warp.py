"""RoI warping: hand-worked crops, an interpolating loop, gradients by features and boxes, bad boxes."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from monai_lsext.networks.layers import roi_warp
from monai_lsext.networks.layers.roi_warp import sample_in_boxes


def ramp(*size: int) -> Tensor:
    """Value of a point: its last index."""
    return torch.arange(size[-1], dtype=torch.float64).expand(1, 1, *size).clone()


def test_cells_of_a_whole_ramp() -> None:
    """Centres 1, 3, 5, 7 of four cells lie between the points 0.5, 2.5, ..; the greater of each two remains."""
    box = torch.tensor([[0.0, 0.0, 8.0, 8.0]], dtype=torch.float64)
    sampled = sample_in_boxes(ramp(8, 8), [box], 4)
    assert sampled[0, 0].tolist() == [[0.5, 2.5, 4.5, 6.5]] * 4
    assert roi_warp(ramp(8, 8), [box], 2)[0, 0].tolist() == [[2.5, 6.5]] * 2


def test_box_of_exactly_two_points_a_cell_is_max_pooling() -> None:
    features = torch.randn(1, 3, 12, 10, dtype=torch.float64)
    box = torch.tensor([[2.0, 2.0, 10.0, 10.0]], dtype=torch.float64)
    assert torch.allclose(
        roi_warp(features, [box], 4), torch.nn.functional.max_pool2d(features[:, :, 2:10, 2:10], 2), atol=1e-12
    )


def test_stride_counts_in_pixels_of_the_image() -> None:
    features = torch.randn(1, 2, 6, 6)
    box = torch.tensor([[1.0, 0.5, 5.0, 4.5]])
    assert torch.allclose(roi_warp(features, [box], 3), roi_warp(features, [4 * box], 3, stride=4), atol=1e-6)


@pytest.mark.parametrize("dims", [2, 3])
def test_equals_a_loop_over_points(dims: int) -> None:
    torch.manual_seed(0)
    size, m = (7, 6, 5)[:dims], 3
    features = torch.randn(1, 1, *size, dtype=torch.float64)
    box = torch.tensor([0.6, 1.2, 0.9, 5.1, 4.7, 4.2], dtype=torch.float64).view(2, 3)[:, :dims]
    found = sample_in_boxes(features, [box.reshape(1, -1)], m)[0, 0]
    for cell in itertools.product(range(m), repeat=dims):
        place = [float(box[0, a] + (box[1, a] - box[0, a]) * (cell[a] + 0.5) / m) - 0.5 for a in range(dims)]
        value = 0.0
        for corner in itertools.product((0, 1), repeat=dims):
            point = [int(p // 1) + c for p, c in zip(place, corner, strict=True)]
            weight = 1.0
            for p, q in zip(place, point, strict=True):
                weight *= 1 - abs(p - q)
            value += weight * float(
                features[(0, 0, *[min(max(q, 0), s - 1) for q, s in zip(point, size, strict=True)])]
            )
        assert float(found[cell]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("dims", [2, 3])
def test_gradients_by_features_and_boxes(dims: int) -> None:
    torch.manual_seed(1)
    features = torch.randn(2, 2, *(6, 5, 6)[:dims], dtype=torch.float64, requires_grad=True)
    start, extent = 0.3 + torch.rand(2, 2, dims).double(), 2.5 + torch.rand(2, 2, dims).double()
    boxes = torch.cat([start, start + extent], dim=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, b: roi_warp(f, b, 2), (features, boxes))


def test_a_moved_box_follows_the_ramp() -> None:
    """A shift by one point along the ramp adds one to every value."""
    box = torch.tensor([[1.0, 2.0, 4.0, 5.0]], dtype=torch.float64, requires_grad=True)
    roi_warp(ramp(8, 8), [box], 1).sum().backward()
    # the maximum of the two cells lies at 3/4 of the box
    assert box.grad.tolist()[0] == pytest.approx([0.0, 0.25, 0.0, 0.75])


def test_crops_come_in_the_order_of_the_boxes_and_items() -> None:
    features = torch.randn(2, 3, 8, 8)
    boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 2.0, 7.0, 8.0]]), torch.tensor([[3.0, 3.0, 5.0, 8.0]])]
    crops = roi_warp(features, boxes, 2)
    singles = [roi_warp(features[i : i + 1], [box[None]], 2) for i in (0, 1) for box in boxes[i]]
    assert torch.equal(crops, torch.cat(singles))


def test_an_item_without_boxes_gives_no_crop() -> None:
    features = torch.randn(2, 3, 8, 8, requires_grad=True)
    crops = roi_warp(features, [torch.zeros(0, 4), torch.tensor([[0.0, 0.0, 8.0, 8.0]])], 2)
    assert crops.shape == (1, 3, 2, 2)
    empty = roi_warp(features, [torch.zeros(0, 4)] * 2, 2)
    assert empty.shape == (0, 3, 2, 2)
    empty.sum().backward()
    assert not features.grad.any()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([1.0, 1.0, 1.0, 3.0], r"box 1 must end after its start on each axis, got \[1.0, 1.0, 1.0, 3.0\]"),
        ([3.0, 1.0, 1.0, 3.0], "box 1 must end after its start on each axis"),
        ([float("nan"), 1.0, 2.0, 3.0], "box 1 must have finite coordinates"),
        ([0.0, 0.0, float("inf"), 3.0], "box 1 must have finite coordinates"),
        ([20.0, 20.0, 24.0, 24.0], r"box 1 must lie in the image of size \(8.0, 6.0\), got \[20.0, 20.0, 24.0, 24.0\]"),
        ([-1.0, 0.0, 4.0, 4.0], "box 1 must lie in the image"),
    ],
)
def test_bad_boxes(box: list[float], message: str) -> None:
    boxes = torch.tensor([[0.0, 0.0, 8.0, 6.0], box])
    with pytest.raises(ValueError, match=message):
        roi_warp(torch.zeros(1, 1, 8, 6), [boxes], 2)


def test_bad_arguments() -> None:
    box = [torch.tensor([[0.0, 0.0, 2.0, 2.0]])]
    with pytest.raises(ValueError, match="`output_size` must be >= 1, got 0"):
        roi_warp(torch.zeros(1, 1, 4, 4), box, 0)
    with pytest.raises(ValueError, match="`stride` must be > 0, got 0"):
        roi_warp(torch.zeros(1, 1, 4, 4), box, 1, 0)
    with pytest.raises(ValueError, match="`boxes` must be given for each of the 2 items of the batch, got 1"):
        roi_warp(torch.zeros(2, 1, 4, 4), box, 1)
    with pytest.raises(ValueError, match=r"`boxes` must have shape \[N, 6\], got \(1, 4\)"):
        roi_warp(torch.zeros(1, 1, 4, 4, 4), box, 1)
    with pytest.raises(ValueError, match=r"`features` must have shape \[B, C, H, W\] or"):
        roi_warp(torch.zeros(1, 4, 4), box, 1)
