"""Named initial level sets against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from monai_lsext.networks.layers import InitialLevelSet, initial_level_set, level_set_from_click


def test_border_is_the_distance_to_the_border() -> None:
    expected = [[0.5, 0.5, 0.5, 0.5], [0.5, 1.5, 1.5, 0.5], [0.5, 0.5, 0.5, 0.5]]
    assert torch.equal(initial_level_set("border", (3, 4))[0, 0], torch.tensor(expected))


def test_capped_border_is_flat_inside() -> None:
    border, capped = (initial_level_set(name, (50, 60)) for name in ("border", "capped_border"))
    assert torch.equal(capped, border.clamp(max=16))
    assert border.max() > capped.max() == 16


@pytest.mark.parametrize("size", [(20, 30), (12, 16, 14)])
def test_disk_is_the_largest_that_fits(size: tuple[int, ...]) -> None:
    phi = initial_level_set("disk", size)[0, 0]
    radius = min(size) / 2
    volume = math.pi * radius**2 if len(size) == 2 else 4 / 3 * math.pi * radius**3
    assert (phi > 0).sum().item() == pytest.approx(volume, rel=0.05)
    assert phi.max() == pytest.approx(radius, abs=1)


def test_box_is_the_middle_half() -> None:
    inside = initial_level_set("box", (8, 16))[0, 0] > 0
    expected = torch.zeros(8, 16, dtype=torch.bool)
    expected[2:6, 4:12] = True
    assert torch.equal(inside, expected)


def test_checkerboard_alternates_every_five_pixels() -> None:
    phi = initial_level_set("checkerboard", (10, 10))[0, 0]
    assert (phi[:5, :5] > 0).all()
    assert (phi[:5, 5:] < 0).all()
    assert (phi[5:, 5:] > 0).all()


def test_click_is_a_disc_around_it() -> None:
    clicks = torch.tensor([[2.0, 3.0], [4.5, 1.0]])
    phi = level_set_from_click(clicks, (6, 5), radius_px=2.0)
    assert phi.shape == (2, 1, 6, 5)
    assert phi[0, 0, 2, 3] == 2
    assert phi[0, 0, 5, 3] == -1
    assert phi[1, 0, 4, 1] == 1.5


def test_module_takes_batch_and_size_from_the_image() -> None:
    phi = InitialLevelSet("disk")(torch.zeros(3, 2, 9, 11))
    assert torch.equal(phi, initial_level_set("disk", (9, 11)).expand(3, 1, 9, 11))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"`initial` must be one of \['border', .*\], got 'circle'"):
        InitialLevelSet("circle")
    with pytest.raises(ValueError, match=r"`click` must have shape \[B, 2\], got \(1, 3\)"):
        level_set_from_click(torch.zeros(1, 3), (4, 4), 1)
    with pytest.raises(ValueError, match="`radius_px` must be > 0, got 0"):
        level_set_from_click(torch.zeros(1, 2), (4, 4), 0)
    with pytest.raises(ValueError, match=r"`click` of item 1 lies outside the image of size \(4, 5\): \(1.0, 7.0\)"):
        level_set_from_click(torch.tensor([[0.0, 0.0], [1.0, 7.0]]), (4, 5), 1)
