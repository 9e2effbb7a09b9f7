"""Masks back in the image: warping there and back, hand-worked windows, the map of objects."""

from __future__ import annotations

import torch

from monai_lsext.networks.layers.mask_paste import instance_map, paste_masks
from monai_lsext.networks.layers.roi_warp import sample_in_boxes


def objects(masks: torch.Tensor, labels: list[int], scores: list[float]) -> dict[str, torch.Tensor]:
    return {"masks": masks, "labels": torch.tensor(labels), "scores": torch.tensor(scores)}


def test_a_full_mask_fills_the_pixels_whose_centres_lie_in_its_box() -> None:
    boxes = torch.tensor([[1.0, 2.0, 3.0, 5.0], [0.6, 0.4, 2.4, 2.6], [5.0, 4.0, 6.0, 6.0]])
    masks = paste_masks(torch.ones(3, 7, 7), boxes, (6, 6))
    expected = torch.zeros(3, 6, 6, dtype=torch.bool)
    expected[0, 1:3, 2:5] = True
    expected[1, 1:2, 0:3] = True
    expected[2, 5, 4:6] = True
    assert torch.equal(masks, expected)


def test_half_of_a_mask() -> None:
    probability = torch.zeros(1, 8, 8)
    probability[:, :, 4:] = 1
    masks = paste_masks(probability, torch.tensor([[2.0, 2.0, 10.0, 10.0]]), (12, 12))
    expected = torch.zeros(12, 12, dtype=torch.bool)
    expected[2:10, 6:10] = True
    assert torch.equal(masks[0], expected)


def test_warped_and_pasted_is_the_mask() -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    disc = ((y - 19.5) ** 2 + (x - 22.5) ** 2) < 100
    box = torch.tensor([[8.0, 11.0, 31.0, 34.0]])
    back = paste_masks(sample_in_boxes(disc[None, None].float(), [box], 21)[:, 0], box, (40, 50))[0]
    assert (back & disc).sum() / (back | disc).sum() > 0.97


def test_no_masks() -> None:
    assert paste_masks(torch.zeros(0, 7, 7), torch.zeros(0, 4), (4, 5)).shape == (0, 4, 5)
    empty = instance_map(objects(torch.zeros(0, 4, 5, dtype=torch.bool), [], []), 0.5)
    assert torch.equal(empty, torch.zeros(3, 4, 5))


def test_the_best_mask_has_the_pixel_and_doubles_go() -> None:
    masks = torch.zeros(4, 1, 8, dtype=torch.bool)
    masks[0, 0, 0:4] = True
    masks[1, 0, 3:7] = True  # one of four pixels taken
    masks[2, 0, 1:5] = True  # a double of 0 and 1
    masks[3, 0, 7] = True  # too low a score
    found = instance_map(objects(masks, [2, 1, 1, 1], [0.8, 0.9, 0.7, 0.4]), 0.5)
    assert found[0, 0].tolist() == [2, 2, 2, 1, 1, 1, 1, 0]
    assert found[1, 0].tolist() == [2, 2, 2, 1, 1, 1, 1, 0]
    torch.testing.assert_close(found[2, 0], torch.tensor([0.8, 0.8, 0.8, 0.9, 0.9, 0.9, 0.9, 0.0]))
