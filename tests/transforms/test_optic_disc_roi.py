"""The optic disc's region: found on photographs, left whole on crops, and put back pixel by pixel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.transforms import Compose, Invertd, LoadImaged, Resized

from monai_lsext.data.datalists import drishti_gs1_datalist
from monai_lsext.data.phantoms import fundus_phantom
from monai_lsext.transforms import OpticDiscROI, OpticDiscROId, find_optic_disc


def phantom(seed: int, view: str) -> dict[str, Any]:
    """As MONAI loads a picture: channel first, then columns, then rows."""
    image, label = fundus_phantom(seed, view=view)
    return {
        "image": MetaTensor(torch.as_tensor(image.transpose(2, 1, 0).copy())),
        "label": MetaTensor(torch.as_tensor(label.T[None].copy())),
    }


def disc_of(label: Any) -> tuple[np.ndarray, float]:
    points = np.argwhere(np.asarray(label)[0] >= 1)
    return (points.min(0) + points.max(0)) / 2, float(np.mean(np.ptp(points, axis=0) + 1))


@pytest.fixture(scope="module")
def photograph() -> dict[str, Any]:
    return phantom(0, "full")


def synthetic(radius: int, size: tuple[int, int] = (200, 160), centre: tuple[int, int] = (120, 70)) -> torch.Tensor:
    x, y = np.ogrid[: size[0], : size[1]]
    disc = np.hypot(x - centre[0], y - centre[1]) <= radius
    return torch.as_tensor(np.stack([60 + 100 * disc, 30 + 60 * disc, 10 + 10 * disc]).astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_photographs_are_centred_on_the_disc(seed: int) -> None:
    data = phantom(seed, "full")
    done = OpticDiscROId(["image", "label"])(data)
    roi = done["image"].meta["roi"]
    centre, diameter = disc_of(data["label"])
    assert roi["mode"] == "found"
    assert np.hypot(*(np.array(roi["start"]) + roi["side_px"] / 2 - centre)) < 0.25 * diameter
    assert 0.3 < diameter / roi["side_px"] < 0.65
    assert done["image"].shape[1:] == done["label"].shape[1:] == (roi["side_px"],) * 2
    assert (done["label"] >= 1).sum() == (data["label"] >= 1).sum()
    assert data["image"].applied_operations == []


@pytest.mark.parametrize("seed", range(3))
def test_crops_stay_whole(seed: int) -> None:
    data = phantom(seed, "crop")
    done = OpticDiscROId("image")(data)["image"]
    assert torch.equal(done, data["image"])
    roi = done.meta["roi"]
    assert (roi["mode"], roi["start"], roi["side_px"]) == ("whole", [0, 0], 400)
    assert roi["reason"] == "circle wider than 0.3 of the short side"


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_circle_of_a_plain_disc(scale: float) -> None:
    circle = find_optic_disc(synthetic(20).numpy() * scale)
    assert circle is not None
    assert np.allclose(circle, (120, 70, 20), atol=1.5)


@pytest.mark.parametrize(
    ("centre", "start"),
    [((120, 70), (78, 28)), ((30, 80), (0, 38)), ((170, 125), (116, 76))],
    ids=["inside", "left", "corner"],
)
def test_square_is_moved_inside(centre: tuple[int, int], start: tuple[int, int]) -> None:
    roi = OpticDiscROI()(synthetic(20, centre=centre)).meta["roi"]
    assert roi["side_px"] == pytest.approx(84, abs=4)
    assert np.allclose(roi["start"], start, atol=4)
    assert roi["start"][0] + roi["side_px"] <= 200
    assert roi["start"][1] + roi["side_px"] <= 160


def test_rules_of_auto_find_and_none() -> None:
    small, large = synthetic(20), synthetic(40, centre=(100, 80))
    noise = torch.as_tensor(np.random.default_rng(0).random((3, 120, 100)))
    reasons = {"auto": "circle wider than 0.3 of the short side", "find": "circle found", "none": "asked for"}
    for mode, reason in reasons.items():
        assert OpticDiscROI(mode)(large).meta["roi"]["reason"] == reason
    assert OpticDiscROI("none")(small).shape == small.shape
    assert OpticDiscROI()(noise).meta["roi"]["reason"] == "no circle found"
    assert OpticDiscROI()(torch.zeros(3, 64, 64)).meta["roi"]["reason"] == "no circle found"
    with pytest.raises(ValueError, match="no optic disc was found in the image"):
        OpticDiscROI("find")(noise)


@pytest.mark.parametrize("mode", ["find", "none"])
def test_a_prediction_goes_back_to_its_pixels(photograph: dict[str, Any], mode: str) -> None:
    forward = Compose([OpticDiscROId("image", mode=mode), Resized("image", spatial_size=(96, 96))])
    done = forward({"image": photograph["image"].float()})
    region = done["image"].meta["roi"]
    prediction = torch.zeros(1, 96, 96)
    prediction[:, 24:72, 48:60] = 2  # a half of the columns, an eighth of the rows
    done["pred"] = MetaTensor(prediction)
    back = Invertd("pred", transform=forward, orig_keys="image", nearest_interp=True)(done)["pred"]
    assert back.shape == photograph["label"].shape
    extent = np.array([region["side_px"]] * 2 if mode == "find" else [1000, 900])
    low = np.array(region["start"]) + extent * (0.25, 0.5)
    high = np.array(region["start"]) + extent * (0.75, 0.625)
    points = np.argwhere(back[0].numpy() == 2)
    assert np.abs(points.min(0) - low).max() <= 1
    assert np.abs(points.max(0) + 1 - high).max() <= 1
    assert len(points) == np.prod(np.ptp(points, axis=0) + 1)
    assert set(back.unique().tolist()) == {0, 2}


def test_crop_alone_is_inverted_exactly(photograph: dict[str, Any]) -> None:
    roi = OpticDiscROId(["image", "label"])
    done = roi(photograph)
    back = Invertd("pred", transform=roi, orig_keys="image")({**done, "pred": done["label"].clone()})["pred"]
    assert torch.equal(back, photograph["label"])


def test_meta_survives_a_mixed_batch() -> None:
    forward = Compose([OpticDiscROId("image"), Resized("image", spatial_size=(32, 32))])
    items = [forward({"image": synthetic(radius)}) for radius in (20, 40)]
    modes = [item["image"].meta["roi"]["mode"] for item in decollate_batch(list_data_collate(items))]
    assert modes == ["found", "whole"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"mode": "always"}, r"`mode` must be one of \['auto', 'find', 'none'\], got 'always'"),
        ({"diameter_factor": 1.0}, "`diameter_factor` must be > 1, got 1.0"),
        ({"field_fraction": -0.1}, "`field_fraction` must be 0 to 1, got -0.1"),
        ({"max_diameter": 1.1}, "`max_diameter` must be 0 to 1, got 1.1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        OpticDiscROId("image", **arguments)


def test_bad_images() -> None:
    with pytest.raises(ValueError, match=r"expected a colour image of shape \[3, W, H\], got \(1, 64, 64\)"):
        OpticDiscROI()(torch.zeros(1, 64, 64))
    data = {"image": synthetic(20), "label": torch.zeros(1, 20, 30)}
    with pytest.raises(
        ValueError, match=r"`label` must have the spatial size of `image`, \(200, 160\), got \(20, 30\)"
    ):
        OpticDiscROId(["image", "label"])(data)


@pytest.mark.real_data
@pytest.mark.skipif("LSEXT_DATA" not in os.environ, reason="LSEXT_DATA is not set")
def test_real_crops_stay_whole_and_the_photograph_is_centred() -> None:
    root = Path(os.environ["LSEXT_DATA"]) / "drishti_gs1"
    load = LoadImaged(["image", "label"], ensure_channel_first=True)
    crops = [load(item) for item in drishti_gs1_datalist(root)]
    assert sum(OpticDiscROI().locate(crop["image"]).found for crop in crops) == 0
    full = load(drishti_gs1_datalist(root, view="full")[0])
    region = OpticDiscROI().locate(full["image"])
    centre, diameter = disc_of(full["label"])
    assert np.hypot(*(np.add(region.start, region.size[0] / 2) - centre)) < 0.1 * diameter
