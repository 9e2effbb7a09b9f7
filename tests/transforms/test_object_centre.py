"""Centre of a labelled object, exact and jittered."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.transforms import ObjectCentred


def disc(centre: tuple[float, float], radius_px: float, size: tuple[int, int] = (60, 80)) -> torch.Tensor:
    x, y = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
    return ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius_px**2).float()[None]


def test_centre_of_a_disc_in_axis_order() -> None:
    assert ObjectCentred("label")({"label": disc((20, 50), 9)})["centre"].tolist() == [20, 50]


def test_nothing_has_no_centre() -> None:
    assert ObjectCentred("label")({"label": torch.zeros(1, 9, 9)})["centre"].isnan().all()
    assert ObjectCentred("label")({"label": torch.ones(1, 9, 9, 3)})["centre"].isnan().all()


@pytest.mark.parametrize("jitter", [0.1, 0.5])
def test_jitter_has_its_length_and_depends_on_seed_and_mask_alone(jitter: float) -> None:
    mask = disc((30, 40), 12)
    radius_px = (mask.sum() / torch.pi).sqrt()
    drawn = [ObjectCentred("label", jitter=jitter, seed=seed)({"label": mask})["centre"] for seed in (0, 0, 1)]
    for centre in drawn:
        assert (centre - torch.tensor([30.0, 40.0])).norm() == pytest.approx(float(jitter * radius_px), rel=1e-5)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_centre_stays_in_the_image() -> None:
    centre = ObjectCentred("label", jitter=50.0)({"label": disc((30, 40), 12)})["centre"]
    assert ((centre >= 0) & (centre <= torch.tensor([59.0, 79.0]))).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keys": "label", "jitter": -0.1}, "`jitter` must be >= 0, got -0.1"),
        ({"keys": ["a", "b"]}, r"`keys` must name one mask, got \['a', 'b'\]"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectCentred(**arguments)
