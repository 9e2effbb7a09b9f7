"""DRLSE from Otsu's threshold: the start is the threshold's mask, the result has the edge, items stand alone."""

from __future__ import annotations

import pytest
import torch
from skimage.filters import threshold_otsu

from monai_lsext.evolution import OtsuDRLSE, drlse


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Two noisy pictures [2, 3, 48, 48] with a dark disc in the middle channel; the discs."""
    y, x = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    discs = torch.stack([torch.hypot(y - 22.0, x - 25.0) <= radius for radius in (8, 13)])
    image = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    image[:, 1] = torch.stack([1.0 - discs[0].float(), 7.0 - 3 * discs[1].float()]) + 0.1 * image[:, 1]
    return image, discs


def test_without_iterations_it_is_the_threshold() -> None:
    image, _ = pictures()
    phi = OtsuDRLSE(channel=1, num_iter=0)(image)
    for item, picture in zip(phi, image[:, 1].numpy(), strict=True):
        assert torch.equal(item[0], torch.from_numpy(4.0 * (picture < threshold_otsu(picture)) - 2.0).float())


def test_discs_of_any_brightness_are_found_and_the_weights_are_passed_on() -> None:
    image, discs = pictures()
    phi = OtsuDRLSE(channel=1, num_iter=20, length=3.0, area=-1.0)(image)
    masks = phi[:, 0] > 0
    dice = 2 * (masks & discs).sum((1, 2)) / (masks.sum((1, 2)) + discs.sum((1, 2)))
    assert dice.min() > 0.95
    start = OtsuDRLSE(channel=1, num_iter=0)(image)
    torch.testing.assert_close(phi, drlse(image[:, 1:2], start, 20, length=3.0, area=-1.0))


def test_one_colour_has_no_object() -> None:
    assert (OtsuDRLSE(num_iter=5)(torch.full((1, 3, 16, 16), 0.4)) < 0).all()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`channel` must be >= 0, got -1"):
        OtsuDRLSE(channel=-1)
    with pytest.raises(ValueError, match="`num_iter` must be >= 0, got -2"):
        OtsuDRLSE(num_iter=-2)
    with pytest.raises(ValueError, match="`image` must have a channel 3, got 3 channels"):
        OtsuDRLSE(channel=3)(torch.zeros(1, 3, 8, 8))
