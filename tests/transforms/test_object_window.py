"""Windows around one object, slices and grey pictures on arrays small enough to write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd
from PIL import Image

from monai_lsext.transforms import CheckImaged, CheckImageFiled, GreyImaged, LoadSliced, ObjectWindowd


def item(**more: Any) -> dict[str, Any]:
    """Image that counts its pixels, 6 x 8; object 7 covers two of them, object 2 one in the corner."""
    label = torch.zeros(1, 6, 8)
    label[0, 2, 3], label[0, 3, 3], label[0, 5, 7] = 7, 7, 2
    return {"image": MetaTensor(torch.arange(48.0).view(1, 6, 8)), "label": MetaTensor(label), **more}


def test_window_of_an_object() -> None:
    """Box of 2 x 1 at row 2, column 3: a window of 4 x 4 from row 1, column 1."""
    found = ObjectWindowd(["image", "label"])(item(object=7))
    expected = [[9, 10, 11, 12], [17, 18, 19, 20], [25, 26, 27, 28], [33, 34, 35, 36]]
    assert found["image"].tolist() == [expected]
    assert found["label"].tolist() == [[[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]]
    assert found["image"].affine[:2, 3].tolist() == [1, 1]


def test_the_edge_goes_on_outside() -> None:
    """Object 2 is the pixel in the corner: a window of 3 x 3 from row 4, column 6, of which a third lies outside."""
    found = ObjectWindowd(["image", "label"], context=3.0)(item(object=2))
    assert found["image"].tolist() == [[[38, 39, 39], [46, 47, 47], [46, 47, 47]]]
    # the mask is cut out as the image is
    assert found["label"].tolist() == [[[0, 0, 0], [0, 1, 1], [0, 1, 1]]]


def test_whole_pictures_pass() -> None:
    masks = torch.zeros(2, 6, 8)
    masks[0, 1, 1], masks[1, 4, 4] = 255, 3
    found = ObjectWindowd(["image", "label"])({**item(), "label": masks})
    assert found["image"].shape == (1, 6, 8)
    assert found["label"].nonzero().tolist() == [[0, 1, 1], [0, 4, 4]]
    assert found["label"].max() == 1
    image = item()["image"]
    assert ObjectWindowd("image")({"image": image})["image"] is image


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"object": 3, "case": "p1"}, "`label` of p1 must have a pixel of object 3, got none"),
        (
            {"object": 7, "image": torch.zeros(1, 5, 8)},
            r"image and label must have one size, got \(5, 8\) and \(6, 8\)",
        ),
    ],
)
def test_bad_items(more: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ObjectWindowd(["image", "label"])({**item(), **more})


def test_bad_context() -> None:
    with pytest.raises(ValueError, match=r"`context` must be >= 1, got 0\.5"):
        ObjectWindowd("image", context=0.5)


def test_a_named_slice_is_loaded(tmp_path: Path) -> None:
    volume = np.arange(36, dtype=np.int16).reshape(2, 3, 6)
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    nib.nifti1.Nifti1Image(volume, affine).to_filename(tmp_path / "v.nii.gz")
    load = Compose([LoadSliced("image"), EnsureChannelFirstd("image"), CheckImaged("image", [1, 3])])
    found = load({"image": str(tmp_path / "v.nii.gz"), "slice": 2})["image"]
    assert found.tolist() == volume[None, :, :, 2].tolist()
    assert found.affine[2, 3] == 10
    with pytest.raises(RuntimeError) as caught:
        load({"image": str(tmp_path / "v.nii.gz"), "slice": 6})
    assert "`index` must be 0 to 5, got 6" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError) as caught:
        load({"image": str(tmp_path / "v.nii.gz")})
    assert "image must have 2 spatial axes and channels first, got shape (1, 2, 3, 6)" in str(caught.value.__cause__)


def test_grey_of_colours() -> None:
    colours = torch.tensor([[[100.0, 0.0, 0.0, 9.0]], [[0.0, 100.0, 0.0, 9.0]], [[0.0, 0.0, 100.0, 9.0]]])
    image = MetaTensor(colours, meta={"notes": ["fully opaque alpha channel dropped"]})
    grey = GreyImaged("image")({"image": image})["image"]
    torch.testing.assert_close(grey.as_tensor(), torch.tensor([[[29.9, 58.7, 11.4, 9.0]]]))
    assert grey.meta["notes"] == ["fully opaque alpha channel dropped; colour picture read as its luminance"]
    equal = MetaTensor(colours[:1].repeat(3, 1, 1))
    assert torch.equal(GreyImaged("image")({"image": equal})["image"], colours[:1])
    assert GreyImaged("image")({"image": equal[:1]})["image"].shape == (1, 1, 4)
    with pytest.raises(ValueError, match="`image` must have 1 or 3 channels, got 2"):
        GreyImaged("image")({"image": colours[:2]})


def test_grey_and_colour_files_are_taken(tmp_path: Path) -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    pictures = {"colour": pixels, "grey": pixels[..., 0], "alpha": np.dstack([pixels, pixels[..., :1]])}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    check = CheckImageFiled("image", [1, 3])
    for name in ("colour", "grey"):
        assert check({"image": tmp_path / f"{name}.png"})["image"] == tmp_path / f"{name}.png"
    with pytest.raises(ValueError, match=r"alpha\.png: expected 8-bit grey or RGB, found a partly transparent image"):
        check({"image": tmp_path / "alpha.png"})
    with pytest.raises(ValueError, match=r"image must have 1 or 3 channel\(s\), got 5"):
        CheckImaged("image", [1, 3])({"image": torch.zeros(5, 4, 4)})
