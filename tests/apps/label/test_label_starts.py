"""Clicks and boxes as starts of a network, the object of a click."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SimpleInferer, SlidingWindowInferer
from monai.transforms import Resize, SpatialCrop
from torch import Tensor

from monai_lsext.apps.label.points import Box
from monai_lsext.apps.label.served import one_object
from monai_lsext.apps.label.starts import CentreInferer, StartInferer, box_level_set
from monai_lsext.inferers.file_points import on_grid
from monai_lsext.networks.nets import RACENet


def marked(size: tuple[int, int], point: tuple[int, int]) -> MetaTensor:
    """A picture that is 1 at one pixel."""
    image = torch.zeros(1, *size)
    image[0, point[0], point[1]] = 1
    return MetaTensor(image)


def test_points_follow_crops_and_resizing() -> None:
    image = marked((40, 60), (30, 20))
    cropped = SpatialCrop(roi_start=(25, 10), roi_end=(40, 50))(image)
    (place,) = on_grid(cropped, [(30, 20)]).tolist()
    assert cropped[0, round(place[0]), round(place[1])] == 1
    resized = Resize((80, 120))(image)
    (place,) = on_grid(resized, [(30, 20)]).tolist()
    assert place == pytest.approx([60.5, 40.5])  # pixel centres
    assert on_grid(torch.zeros(1, 4, 4), [(1, 2), (3, 0)]).tolist() == [[1, 2], [3, 0]]


def test_points_start_from_the_affine_of_the_file() -> None:
    affine = torch.tensor([[0, 2.0, 0, 5], [3.0, 0, 0, -7], [0, 0, 4.0, 1], [0, 0, 0, 1]])
    volume = MetaTensor(torch.zeros(1, 8, 9, 10), affine=affine, meta={"original_affine": affine.numpy()})
    assert on_grid(volume[..., 2:], [(3, 4, 5)]).shape == (1, 3)
    moved = SpatialCrop(roi_start=(1, 2, 3), roi_end=(8, 9, 10))(volume)
    assert on_grid(moved, [(3, 4, 5)])[0].tolist() == pytest.approx([2, 2, 2])


def test_a_box_is_a_level_set_with_its_faces_half_a_voxel_out() -> None:
    phi = box_level_set(torch.tensor([[2.0, 3.0], [5.0, 4.0]]), (8, 9))
    inside = torch.zeros(8, 9, dtype=torch.bool)
    inside[2:6, 3:5] = True
    assert torch.equal(phi[0, 0] > 0, inside)
    assert phi[0, 0, 3, 3] == 0.5
    assert phi[0, 0, 0, 3] == -1.5
    assert box_level_set(torch.tensor([[5.0, 4.0], [2.0, 3.0]]), (8, 9)).equal(phi)
    assert box_level_set(torch.zeros(2, 3), (2, 2, 2)).shape == (1, 1, 2, 2, 2)


def start_of(inferer: StartInferer, image: Tensor) -> Tensor:
    """What the network is started from."""
    return inferer(image, lambda image, phi0: phi0)


@pytest.mark.parametrize(("disc", "radius_px"), [(True, 16.0), (False, 8.0)])
def test_a_click_is_a_disc(disc: bool, radius_px: float) -> None:
    phi = start_of(StartInferer(SimpleInferer(), (20.0, 30.0), disc), MetaTensor(torch.zeros(1, 3, 40, 60)))
    assert phi.shape == (1, 1, 40, 60)
    assert float(phi[0, 0, 20, 30]) == radius_px
    assert float(phi[0, 0, 20, 33]) == pytest.approx(radius_px - 3)


def test_a_box_is_a_disc_for_networks_that_start_from_one() -> None:
    image = torch.zeros(1, 1, 40, 60)
    phi = start_of(StartInferer(SimpleInferer(), Box((10, 20), (19, 27)), True), image)
    x, y = torch.meshgrid(torch.arange(40), torch.arange(60), indexing="ij")
    torch.testing.assert_close(phi[0, 0], 10 - torch.hypot(x - 14.5, y - 23.5))


def test_windows_of_the_start_are_those_of_the_image() -> None:
    image = torch.zeros(1, 1, 48, 48)
    whole = start_of(StartInferer(SimpleInferer(), Box((3, 4), (20, 40)), False), image)
    inferer = SlidingWindowInferer(roi_size=(16, 16), overlap=0)
    windows = start_of(StartInferer(inferer, Box((3, 4), (20, 40)), False), image)
    torch.testing.assert_close(windows, whole)


def test_a_network_gets_the_start() -> None:
    network = RACENet(2, 1, 2, 2, (3, 3)).eval()
    image = torch.rand(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    inferer = StartInferer(SimpleInferer(), (5.0, 6.0), False)
    with torch.no_grad():
        torch.testing.assert_close(inferer(image, network), network(image, start_of(inferer, image)))


def test_a_click_becomes_the_centre_on_the_networks_grid() -> None:
    seen = []

    def network(image: Tensor, centre: Tensor) -> Tensor:
        seen.append(centre)
        return image

    image = Resize((80, 120))(marked((40, 60), (30, 20)))[None]
    CentreInferer(SimpleInferer(), (30, 20))(image, network)
    assert seen[0].shape == (1, 2)
    assert seen[0][0].tolist() == pytest.approx([60.5, 40.5])


def test_one_object_is_that_of_the_click() -> None:
    label_map = np.zeros((10, 12), dtype=int)
    label_map[1:4, 1:4], label_map[2, 2], label_map[6:9, 7:11] = 1, 2, 1
    first = np.where(np.arange(10)[:, None] < 5, label_map, 0)
    np.testing.assert_array_equal(one_object(label_map, (2, 3)), first)
    np.testing.assert_array_equal(one_object(label_map, (4, 4)), first)  # the nearest
    np.testing.assert_array_equal(one_object(label_map, (8, 10)), label_map - first)
    np.testing.assert_array_equal(one_object(label_map, Box((3, 3), (9, 9))), label_map - first)
    np.testing.assert_array_equal(one_object(first, (9, 9)), first)
