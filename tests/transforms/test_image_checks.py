"""What the checks of a loaded image mend, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate
from PIL import Image

from monai_lsext.transforms.image_checks import CheckImaged, CheckImageFiled

RGB = torch.arange(3 * 4 * 5, dtype=torch.float32).reshape(3, 4, 5)
GREY = RGB[:1]
EQUAL = GREY.repeat(3, 1, 1)
OPAQUE = torch.full((1, 4, 5), 255.0)
ALPHA_NOTE = "fully opaque alpha channel dropped"
GREY_NOTE = "three equal colour channels read as one grey channel"


@pytest.mark.parametrize(
    ("image", "channels", "expected", "notes"),
    [
        (RGB, 3, RGB, None),
        (GREY, 1, GREY, None),
        (torch.cat([RGB, OPAQUE]), 3, RGB, [ALPHA_NOTE]),
        (torch.cat([RGB, OPAQUE / 255]), 3, RGB, [ALPHA_NOTE]),
        (torch.cat([GREY, OPAQUE]), 1, GREY, [ALPHA_NOTE]),
        (EQUAL, 1, GREY, [GREY_NOTE]),
        (torch.cat([EQUAL, OPAQUE]), 1, GREY, [f"{ALPHA_NOTE}; {GREY_NOTE}"]),
        (torch.cat([RGB, OPAQUE]), 4, torch.cat([RGB, OPAQUE]), None),
        (RGB[..., None], 3, RGB, None),  # NIfTI [W, H, 1, C]
        (RGB.movedim(0, -1)[None], 3, RGB, None),  # NIfTI [W, H, C]
        (torch.cat([RGB, OPAQUE]).movedim(0, -1)[None], 3, RGB, [ALPHA_NOTE]),
    ],
)
def test_what_loses_nothing_is_mended_and_noted(
    image: torch.Tensor, channels: int, expected: torch.Tensor, notes: list[str] | None
) -> None:
    result = CheckImaged("image", channels)({"image": MetaTensor(image, meta={"mark": 1})})["image"]
    torch.testing.assert_close(result.as_tensor(), expected, rtol=0, atol=0)
    assert result.meta.get("notes") == notes
    assert result.meta["mark"] == 1


def test_whole_numbers_become_float32() -> None:
    image = CheckImaged("image", 1)({"image": MetaTensor(GREY.short(), meta={"mark": 1})})["image"]
    torch.testing.assert_close(image.as_tensor(), GREY, rtol=0, atol=0)
    assert (image.dtype, image.meta["mark"]) == (torch.float32, 1)
    assert CheckImaged("image", 1)({"image": GREY.double()})["image"].dtype == torch.float64


def test_notes_collate_whatever_was_mended() -> None:
    check = CheckImaged("image", 1)
    items = [check({"image": MetaTensor(x)}) for x in (EQUAL, torch.cat([EQUAL, OPAQUE]), GREY)]
    assert list_data_collate(items[:2])["image"].shape == (2, 1, 4, 5)
    assert list_data_collate(items)["image"].shape == (3, 1, 4, 5)


def filled(value: float) -> torch.Tensor:
    image = RGB.clone()
    image[1, 2, 3] = value
    return image


@pytest.mark.parametrize(
    ("image", "arguments", "text"),
    [
        (GREY, {"channels": 3}, r"image must have 3 channel\(s\), got 1"),
        (RGB, {"channels": 1}, r"image must have 1 channel\(s\), got 3; of a series in time give one image"),
        (torch.cat([RGB, RGB]), {"channels": 3}, r"image must have 3 channel\(s\), got 6"),
        (torch.cat([RGB, GREY]), {"channels": 3}, r"image must be opaque, got alpha 0 \.\. 19"),
        (torch.cat([RGB, OPAQUE / 2]), {"channels": 3}, r"image must be opaque, got alpha 127\.5 \.\. 127\.5"),
        (filled(float("nan")), {"channels": 3}, "image must have finite values, got 1 that are nan or infinite"),
        (filled(float("inf")), {"channels": 3}, "image must have finite values, got 1 that are nan or infinite"),
        (RGB[:, :0], {"channels": 3}, r"image must not be empty, got shape \(3, 0, 5\)"),
        (RGB[None].repeat(3, 1, 1, 1), {"channels": 3}, "image must have 2 spatial axes and channels first, got shape"),
        (RGB, {"channels": 3, "spatial_dims": 3}, "image must have 3 spatial axes and channels first, got shape"),
    ],
)
def test_bad_image_is_one_sentence(image: torch.Tensor, arguments: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        CheckImaged("image", **arguments)({"image": MetaTensor(image)})


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`channels` must be >= 1, got 0"):
        CheckImaged("image", 0)
    with pytest.raises(ValueError, match="`spatial_dims` must be 2, 3 or both, got 1"):
        CheckImaged("image", 3, spatial_dims=1)
    with pytest.raises(ValueError, match="`channels` must be 1, 3 or both, got 2"):
        CheckImageFiled("image", 2)


def test_file_check_reads_paths_only(tmp_path: Path) -> None:
    check = CheckImageFiled("image", 3)
    Image.fromarray(np.zeros((4, 5), dtype=np.uint8)).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        with pytest.raises(ValueError, match=r"a\.png: expected 8-bit RGB, found a grey image"):
            check({"image": path})
    assert check({"image": RGB, "label": "gone.png"})["image"] is RGB
