"""Voxel sizes from the header, and masks that keep it."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_lsext.apps.cases import CaseImage, case_image
from monai_lsext.apps.segmentation import mask_file

GEOMETRY = ("qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d")
UNKNOWN = ["the file's header gives no voxel size in a known unit: sizes are in pixels or voxels alone"]


def oblique(spacing: tuple[float, float, float], shear: float = 0.0) -> np.ndarray:
    """Affine turned about two axes, the slices shifted against each other by ``shear``."""
    a, b = 0.3, -0.7
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    sheared = np.eye(3)
    sheared[0, 2] = shear
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ sheared @ np.diag(spacing)
    affine[:3, 3] = (-91.3, 17.77, 4.1)
    return affine


def loaded(tmp_path: Path, image: nib.Nifti1Image) -> CaseImage:
    nib.save(image, tmp_path / "image.nii.gz")
    return case_image(np.asanyarray(image.dataobj)[None].astype(np.float32), tmp_path / "image.nii.gz")


def nifti(affine: np.ndarray, unit: str | None, size: tuple[int, ...] = (6, 5, 4)) -> nib.Nifti1Image:
    image = nib.Nifti1Image(np.arange(np.prod(size), dtype=np.int16).reshape(size), affine)
    image.header.set_xyzt_units(unit)
    return image


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("micron", 1000.0), ("meter", 0.001)])
def test_units(tmp_path: Path, unit: str, scale: float) -> None:
    spacing = (1.5 * scale, 0.75 * scale, 8.0 * scale)
    image = loaded(tmp_path, nifti(oblique(spacing), unit))
    assert image.spacing_mm == pytest.approx((1.5, 0.75, 8.0), rel=1e-6)
    assert image.header_spacing == pytest.approx(spacing, rel=1e-6)
    assert image.voxel_mm == pytest.approx(1.5 * 0.75 * 8, rel=1e-6)
    assert image.aspect == pytest.approx(0.5, rel=1e-6)
    assert image.notes == []


def test_sheared_axes_have_the_volume_of_their_determinant(tmp_path: Path) -> None:
    image = loaded(tmp_path, nifti(oblique((2, 2, 3), shear=1.0), "mm"))
    assert image.voxel_mm == pytest.approx(12, rel=1e-6)
    assert image.spacing_mm == pytest.approx((2, 2, 3 * 2**0.5), rel=1e-6)


def test_area_of_a_2d_image(tmp_path: Path) -> None:
    image = loaded(tmp_path, nifti(oblique((0.02, 0.03, 1.0)), "mm", (6, 5)))
    assert image.size == (6, 5)
    assert image.voxel_mm == pytest.approx(0.0006, rel=1e-6)
    assert read(mask_file(np.zeros((6, 5), dtype=int), image, np.uint8)[1]).shape == (6, 5)


def test_unknown_unit_and_degenerate_affine(tmp_path: Path) -> None:
    image = loaded(tmp_path, nifti(oblique((1.5, 0.75, 8.0)), None))
    assert (image.spacing_mm, image.voxel_mm, image.notes) == (None, None, UNKNOWN)
    assert image.header_spacing == pytest.approx((1.5, 0.75, 8.0), rel=1e-6)
    flat = nifti(np.eye(4), "mm")
    flat.set_sform(np.diag([1.0, 0, 1, 1]), code=1)
    image = loaded(tmp_path, flat)
    assert (image.spacing_mm, image.header_spacing, image.aspect, image.notes) == (None, None, 1.0, UNKNOWN)
    assert CaseImage(np.zeros((2, 2, 3), np.uint8), (2, 2)).notes == []


def read(content: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(content))


@pytest.mark.parametrize("big_endian", [False, True])
def test_mask_keeps_the_grid_and_nothing_of_the_patient(tmp_path: Path, big_endian: bool) -> None:
    source = nifti(oblique((1.367188, 1.3671879, 10.000047)), "mm")
    source.set_qform(oblique((1.4, 1.4, 10)), code=3)  # the two may differ; both have to come back
    source.set_sform(source.affine, code=2)
    source.header.set_xyzt_units("mm", "sec")
    source.header["descrip"] = b"DOE^JANE"
    source.header["db_name"] = b"DOE"
    source.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JANE"))
    if big_endian:
        source = nib.Nifti1Image(source.dataobj, None, source.header.as_byteswapped(">"))
    image = loaded(tmp_path, source)
    given = nib.nifti1.load(tmp_path / "image.nii.gz")
    values = np.random.default_rng(0).integers(0, 3, image.size)
    suffix, content = mask_file(values, image, np.uint8)
    mask = read(content)
    assert (suffix, mask.get_data_dtype()) == (".nii.gz", np.uint8)
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj), values)
    assert np.array_equal(mask.affine, given.affine)
    assert all(np.array_equal(mask.header[name], given.header[name]) for name in GEOMETRY)
    assert np.array_equal(mask.header["pixdim"][:4], given.header["pixdim"][:4])
    assert mask.header.get_xyzt_units() == ("mm", "sec")
    assert b"DOE" not in gzip.decompress(content)
    assert mask_file(values, image, np.uint8)[1] == content


def test_numbers_of_objects_take_16_bits(tmp_path: Path) -> None:
    values = np.arange(30).reshape(6, 5) * 2000
    png = CaseImage(np.zeros((5, 6, 3), np.uint8), (6, 5))
    suffix, content = mask_file(values, png, np.uint16)
    picture = Image.open(io.BytesIO(content))
    assert (suffix, picture.mode, picture.size) == (".png", "I;16", (6, 5))
    np.testing.assert_array_equal(np.asarray(picture).T, values)
    mask = read(mask_file(values[..., None], loaded(tmp_path, nifti(np.eye(4), "mm", (6, 5, 1))), np.uint16)[1])
    assert (mask.get_data_dtype(), mask.shape) == (np.uint16, (6, 5, 1))
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj)[..., 0], values)
    with pytest.raises(ValueError, match=r"mask must have values in 0 \.\. 255, got 0 \.\. 58000"):
        mask_file(values, png, np.uint8)
