"""Slices of a volume through a 2D network, with the object's centre on the network's grid."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor, list_data_collate
from monai.transforms import Resize
from torch import Tensor

from monai_lsext.inferers import SliceWiseInferer


def numbered(image: Tensor, centre: Tensor | None = None) -> Tensor:
    """[n, 1, W, H] -> its double, or the centre written into two channels."""
    if centre is None:
        return 2 * image
    return centre[:, :, None, None].expand(-1, -1, *image.shape[2:])


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_volume_is_its_slices(batch_size: int) -> None:
    volume = torch.rand(2, 1, 4, 5, 7)
    assert torch.equal(SliceWiseInferer(batch_size)(volume, numbered), 2 * volume)


def test_2d_image_goes_through_as_it_is() -> None:
    image = torch.rand(3, 1, 4, 5)
    assert torch.equal(SliceWiseInferer(2)(image, numbered), 2 * image)


def test_one_centre_for_each_volume_of_a_batch() -> None:
    centre = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    result = SliceWiseInferer(4)(torch.rand(2, 1, 4, 5, 3), numbered, centre=centre)
    for item in range(2):
        assert torch.equal(result[item, :, 0, 0, 0], centre[item])
        assert torch.equal(result[item], centre[item][:, None, None, None].expand(2, 4, 5, 3))


@pytest.mark.parametrize("depth", [(), (6,)])
@pytest.mark.parametrize("affine", [torch.eye(4), torch.diag(torch.tensor([-1.5, -1.2, 8.0, 1.0]))])
def test_centre_follows_a_resized_image(depth: tuple[int, ...], affine: Tensor) -> None:
    """Twice as many pixels: pixel x of the file covers 2x and 2x + 1, so its centre is 2x + 0.5."""
    affine = affine.clone().double()
    affine[:3, 3] = torch.tensor([10.0, -20.0, 5.0])
    image = MetaTensor(torch.rand(1, 8, 10, *depth), affine=affine, meta={"original_affine": affine.numpy()})
    resized = Resize((16, 20, *depth))(image)
    result = SliceWiseInferer(centre=[3, 5])(resized[None], numbered)
    assert torch.allclose(result[0].flatten(1)[:, 0], torch.tensor([6.5, 10.5]), atol=1e-4)


def test_batch_of_loaded_volumes_keeps_its_meta() -> None:
    volumes = [MetaTensor(torch.rand(1, 4, 5, 3), affine=torch.diag(torch.tensor([2.0, 2, 8, 1]))) for _ in range(2)]
    batch = list_data_collate(volumes)
    result = SliceWiseInferer(2)(batch, numbered)
    assert isinstance(result, MetaTensor)
    assert torch.equal(result.as_tensor(), 2 * batch.as_tensor())
    assert torch.equal(result.affine, batch.affine)


def test_centre_follows_a_resized_picture() -> None:
    """A PNG has no affine in its file."""
    resized = Resize((16, 20), mode="bilinear")(MetaTensor(torch.rand(1, 8, 10)))
    assert "original_affine" not in resized.meta
    result = SliceWiseInferer(centre=[3, 5])(resized[None], numbered)
    assert result[0, :, 0, 0].tolist() == [6.5, 10.5]


def test_given_centre_goes_before_the_one_of_the_construction() -> None:
    result = SliceWiseInferer(centre=[0, 0])(torch.rand(1, 1, 4, 5), numbered, centre=torch.tensor([[1.0, 2.0]]))
    assert result[0, :, 0, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be >= 1, got 0"),
        ({"centre": [1.0]}, "`centre` must be two finite numbers, got"),
        ({"centre": [1.0, float("nan")]}, "`centre` must be two finite numbers, got"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SliceWiseInferer(**arguments)


def test_bad_image() -> None:
    with pytest.raises(ValueError, match=r"`inputs` must have shape \[B, C, W, H\] or"):
        SliceWiseInferer()(torch.rand(1, 4, 5), numbered)
