"""The ensemble of shifted copies against the network itself and a plain loop."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.inferers import ShiftedEnsembleInferer
from monai_lsext.networks.nets import RACENet


def test_identical_copies_give_the_single_result() -> None:
    torch.manual_seed(0)
    net, image = RACENet(3, 1, 2, 2, (3, 3)).eval(), torch.randn(2, 1, 8, 6, 5)
    single = net(image)
    for masks in (False, True):
        ensemble = ShiftedEnsembleInferer([[0, 0, 0]] * 4, masks=masks)(image, net)
        assert torch.equal(ensemble > 0, single > 0)
    assert torch.allclose(ShiftedEnsembleInferer([[0, 0, 0]] * 4)(image, net), single, atol=1e-4)


def test_a_network_that_moves_with_the_image_gives_its_own_result_inside() -> None:
    image = torch.randn(1, 1, 10, 9, 8)
    result = ShiftedEnsembleInferer()(image, lambda x: 2 * x - 1)
    assert torch.allclose(result, 2 * image - 1, atol=1e-4)


def test_equals_a_plain_loop_over_voxels() -> None:
    """A network that depends on the place: each copy counts where it knows the voxel."""
    image = torch.randn(1, 1, 5, 4)
    place = torch.arange(20.0).view(1, 1, 5, 4) / 20
    shifts = [(0, 0), (2, 0), (-1, 1)]
    result = ShiftedEnsembleInferer(shifts)(image, lambda x: x + place)
    for row in range(5):
        for column in range(4):
            known = []
            for down, right in shifts:
                r, c = row + down, column + right  # where the voxel lies in the shifted copy
                if 0 <= r < 5 and 0 <= c < 4:
                    known.append(torch.sigmoid(image[0, 0, row, column] + place[0, 0, r, c]))
            assert torch.allclose(torch.sigmoid(result[0, 0, row, column]), torch.stack(known).mean(), atol=1e-6)


def test_masks_vote() -> None:
    image = torch.full((1, 1, 4, 4), 1.0)
    values = iter([5.0, -0.1, -0.1])
    ensemble = ShiftedEnsembleInferer([(0, 0)] * 3, masks=True)(image, lambda x: x * next(values))
    assert torch.allclose(torch.sigmoid(ensemble), torch.full_like(image, 1 / 3), atol=1e-6)


def test_inputs_are_left_alone() -> None:
    image = torch.randn(1, 1, 6, 6)
    before = image.clone()
    ShiftedEnsembleInferer([(0, 0), (1, -1)])(image, lambda x: x)
    assert torch.equal(image, before)


@pytest.mark.parametrize("shifts", [[], [[0, 0], [0, 0, 0]]])
def test_bad_shifts(shifts: list) -> None:
    with pytest.raises(ValueError, match="`shifts_px` must be at least one shift, all of one length, got "):
        ShiftedEnsembleInferer(shifts)


def test_shifts_of_other_axes_than_the_image() -> None:
    with pytest.raises(ValueError, match=r"`shifts_px` must have 2 numbers each, got \[0, 0, 0\]"):
        ShiftedEnsembleInferer()(torch.zeros(1, 1, 8, 8), lambda x: x)
