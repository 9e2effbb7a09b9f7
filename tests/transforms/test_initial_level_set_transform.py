"""Initial level sets as transforms: values on tiny grids, meta kept, faults named."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_lsext.networks.layers import initial_level_set
from monai_lsext.transforms import InitialLevelSet, InitialLevelSetd

LABEL = torch.zeros(1, 7, 7)
LABEL[:, 1:6, 1:6] = 1
LABEL[:, 3, 3] = 2


def test_signed_distance_of_all_labels() -> None:
    phi = InitialLevelSet()(LABEL)
    assert phi.shape == LABEL.shape
    assert phi[0, 3].tolist() == [-0.5, 0.5, 1.5, 2.5, 1.5, 0.5, -0.5]


def test_signed_distance_of_one_value() -> None:
    phi = InitialLevelSetd("label", label_values=[2], phi_key="start")({"label": LABEL})["start"]
    assert phi[0, 3].tolist() == [-2.5, -1.5, -0.5, 0.5, -0.5, -1.5, -2.5]


def test_click_is_a_cone() -> None:
    data = {"image": MetaTensor(torch.zeros(3, 5, 9), meta={"name": "x"}), "click": (2, 6)}
    phi = InitialLevelSetd("image", start="click", radius_px=2.0)(data)["phi0"]
    assert phi.shape == (1, 5, 9)
    assert (phi[0, 2, 6].item(), phi[0, 2, 4].item(), phi[0, 2, 2].item()) == (2, 0, -2)
    assert phi.meta["name"] == "x"


@pytest.mark.parametrize("name", ["border", "disk", "box", "checkerboard"])
def test_names(name: str) -> None:
    torch.testing.assert_close(InitialLevelSet(name)(torch.zeros(3, 8, 6)), initial_level_set(name, (8, 6))[0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"start": "star"}, "`start` must be one of .*'mask', 'click'.*, got 'star'"),
        ({"start": "disk", "label_values": [1]}, "`label_values` must be .*'mask'.*, got"),
        ({"start": "click"}, "`radius_px` must be > 0 with start 'click' and None otherwise, got None"),
        ({"start": "click", "radius_px": 0.0}, "`radius_px` must be > 0 .*, got 0.0"),
        ({"start": "disk", "radius_px": 2.0}, "`radius_px` must be .* None otherwise, got 2.0"),
        ({"keys": ("a", "b")}, r"`keys` must be one item, got \('a', 'b'\)"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        InitialLevelSetd(**{"keys": "image", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("transform", "image", "text"),
    [
        (InitialLevelSet(), torch.zeros(1, 4, 4), "the mask has no point with a value > 0.5"),
        (InitialLevelSet(label_values=[3]), LABEL, r"the mask has no point with a value in \[3\]"),
        (InitialLevelSet(), torch.ones(1, 4, 4), "must have points inside and outside"),
        (InitialLevelSet(), torch.ones(2, 4, 4), "a mask must have 1 channel, got 2"),
        (InitialLevelSet("click", radius_px=2), torch.zeros(3, 4, 4), "start 'click' needs a click, got None"),
    ],
)
def test_bad_images(transform: InitialLevelSet, image: torch.Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        transform(image)
