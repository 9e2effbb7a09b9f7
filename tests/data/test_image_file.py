"""Lists of image files, and the sentence for each kind of bad file."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_lsext.data.image_file import case_name, check_image_file, image_datalist

RGB = np.random.default_rng(0).integers(0, 255, (16, 20, 3), dtype=np.uint8)
GREY = RGB[..., 0]
EQUAL = np.repeat(GREY[..., None], 3, axis=-1)
ALPHA = np.full_like(GREY, 255)


def encoded(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None, **options: object) -> bytes:
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, format=kind, **options)
    return buffer.getvalue()


def with_alpha(pixels: np.ndarray, lowest: int) -> np.ndarray:
    alpha = ALPHA.copy()
    alpha[3, 4] = lowest
    return np.dstack([pixels, alpha])


def png_of_16_bit_rgb() -> bytes:
    """Pillow opens such a file as 8-bit RGB without a word, and cannot write one."""
    rows = b"".join(b"\0" + row.tobytes() for row in RGB.astype(">u2") * 257)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 20, 16, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(RGB, "JPEG", exif=exif)


def two_pages() -> bytes:
    return encoded(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(RGB)])


BAD = [
    ("a.png", lambda: b"some text", 3, "expected a PNG, JPEG or TIFF image, found something else"),
    ("a.png", lambda: b"", 3, "expected a PNG, JPEG or TIFF image, found something else"),
    ("a.png", lambda: encoded(RGB)[:300], 3, "expected a whole image file, found a truncated or damaged one"),
    ("a.jpg", lambda: encoded(RGB, "JPEG")[:-60], 3, "expected a whole image file, found a truncated or damaged one"),
    ("a.tif", lambda: encoded(RGB, "TIFF")[:-60], 3, "expected a whole image file, found a truncated or damaged one"),
    ("a.jpg", lambda: encoded(RGB, "JPEG", "CMYK"), 3, "expected 8-bit RGB, found mode CMYK"),
    ("a.png", lambda: encoded(GREY.astype(np.uint16)), 3, "expected 8-bit RGB, found more than 8 bits per channel"),
    ("a.png", lambda: encoded(GREY.astype(np.uint16)), 1, "expected 8-bit grey, found more than 8 bits per channel"),
    ("a.png", png_of_16_bit_rgb, 3, "expected 8-bit RGB, found more than 8 bits per channel"),
    ("a.tif", lambda: encoded(GREY.astype(np.float32), "TIFF"), 1, "found more than 8 bits per channel"),
    ("a.png", lambda: encoded(GREY), 3, "expected 8-bit RGB, found a grey image"),
    ("a.png", lambda: encoded(RGB), 1, "expected 8-bit grey, found a colour image"),
    ("a.png", lambda: encoded(with_alpha(RGB, 254)), 3, "expected 8-bit RGB, found a partly transparent image"),
    ("a.png", lambda: encoded(with_alpha(GREY, 0), mode="LA"), 1, "found a partly transparent image"),
    ("a.png", lambda: encoded(RGB, transparency=tuple(RGB[0, 0].tolist())), 3, "found a partly transparent image"),
    ("a.png", lambda: encoded(RGB, mode="P"), 3, "found a palette image; save it with plain colours"),
    ("a.png", lambda: encoded(GREY, mode="1"), 1, "expected 8-bit grey, found mode 1"),
    ("a.png", lambda: encoded(RGB, "BMP"), 3, "expected 8-bit RGB, found a BMP file"),
    ("a.jpg", turned_jpeg, 3, "found EXIF orientation 6 (turned or mirrored); save it upright"),
    ("a.tif", two_pages, 3, "expected 8-bit RGB, found 2 pages"),
    ("a.nii.gz", lambda: b"some text", 3, "expected a NIfTI file, found one that cannot be read as such"),
]


@pytest.mark.parametrize(("name", "content", "channels", "text"), BAD)
def test_bad_file_is_named_with_expected_and_found(
    tmp_path: Path, name: str, content: Callable[[], bytes], channels: int, text: str
) -> None:
    (tmp_path / name).write_bytes(content())
    with pytest.raises(ValueError) as caught:
        check_image_file(tmp_path / name, channels)
    assert str(caught.value).startswith(f"{name}: expected ")
    assert str(caught.value).endswith(text)


def test_missing_file_and_packed_nifti(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^a\.png: expected an image file, found none of this name$"):
        check_image_file(tmp_path / "a.png", 3)
    packed = np.zeros((4, 5, 1), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(packed, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="expected one number per voxel and channel, found packed RGB voxels"):
        check_image_file(tmp_path / "a.nii", 3)


@pytest.mark.parametrize(
    ("name", "content", "channels"),
    [
        ("a.png", lambda: encoded(RGB), 3),
        ("a.JPG", lambda: encoded(RGB, "JPEG"), 3),
        ("a.tiff", lambda: encoded(RGB, "TIFF", compression="tiff_lzw"), 3),
        ("a.png", lambda: encoded(RGB[:16, :16]), 3),
        ("a.png", lambda: encoded(with_alpha(RGB, 255)), 3),
        ("a.png", lambda: encoded(EQUAL), 1),
        ("a.png", lambda: encoded(with_alpha(EQUAL, 255)), 1),
        ("a.png", lambda: encoded(GREY), 1),
        ("a.npy", lambda: b"left to the reader", 3),
    ],
)
def test_good_file_passes(tmp_path: Path, name: str, content: Callable[[], bytes], channels: int) -> None:
    (tmp_path / name).write_bytes(content())
    assert check_image_file(tmp_path / name, channels) is None


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("a.png", "a"),
        ("a.b.JPEG", "a.b"),
        ("a.tif.png", "a.tif"),
        ("a.nii.gz", "a"),
        ("dir.png/a.nii", "a"),
        ("a", "a"),
        (".png", ".png"),
    ],
)
def test_case_is_the_name_without_extensions(name: str, case: str) -> None:
    assert case_name(name) == case


def test_folder_and_file_lists(tmp_path: Path) -> None:
    for name in ("b.png", "a.nii.gz", "c.TIF", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    expected = [{"image": str(tmp_path / n), "case": n[0]} for n in ("a.nii.gz", "b.png", "c.TIF")]
    assert image_datalist(tmp_path) == expected
    assert image_datalist(tmp_path / "b.png") == [expected[1]]


@pytest.mark.parametrize(
    ("files", "source", "text"),
    [
        ([], "", "input folder must hold PNG, JPEG, TIFF or NIfTI files, found none in"),
        (["a.txt"], "", "input folder must hold PNG, JPEG, TIFF or NIfTI files, found none in"),
        ([], "gone", "input must be an existing file or folder, got"),
        (["a.bmp"], "a.bmp", "input file must be PNG, JPEG, TIFF or NIfTI by its name, got a.bmp"),
        (["a.jpg", "a.png"], "", "case names must differ, got a.jpg and a.png; rename one of them"),
        (["A.png", "a.nii.gz"], "", "case names must differ, got A.png and a.nii.gz; rename one of them"),
    ],
)
def test_unusable_input_is_one_sentence(tmp_path: Path, files: list[str], source: str, text: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ValueError) as caught:
        image_datalist(tmp_path / source)
    assert str(caught.value).startswith(text)
