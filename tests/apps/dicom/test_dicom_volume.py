"""One volume of a series: its grid in the patient, its values, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dicom_files import (
    COLUMN,
    NORMAL,
    ORIGIN,
    ROW,
    SERIES_UID,
    enhanced,
    numbers,
    position,
    slice_dataset,
    slices,
    write,
)
from pydicom.dataset import FileDataset
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from monai_lsext.apps.dicom.phases import split_phases
from monai_lsext.apps.dicom.series import scan
from monai_lsext.apps.dicom.volume import DicomVolume, read_volume

LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])


def volumes(folder: Path) -> tuple[list[DicomVolume], list[str]]:
    (series,) = scan(folder).series
    phases, warnings = split_phases(series.frames)
    return [read_volume(frames) for frames in phases], warnings


def expected_affine(step_mm: float = 5.0) -> np.ndarray:
    lps = np.eye(4)
    # PixelSpacing 1.5, 0.75: distance of rows, then of columns
    lps[:3] = np.stack([ROW * 0.75, COLUMN * 1.5, NORMAL * step_mm, ORIGIN], axis=1)
    return LPS_TO_RAS @ lps


@pytest.mark.parametrize("seed", [0, 1])
def test_an_oblique_series_in_any_file_order(tmp_path: Path, seed: int) -> None:
    (volume,), warnings = volumes(write(tmp_path, slices(numbers()), seed))
    np.testing.assert_array_equal(volume.values, numbers())
    assert volume.values.dtype == np.int16
    np.testing.assert_allclose(volume.affine, expected_affine(), atol=1e-5)
    assert (warnings, volume.warnings) == ([], [])
    assert volume.step_mm == pytest.approx(5)
    assert [source.InstanceNumber for source in volume.sources] == [1, 11, 21, 31, 41]
    assert all("PixelData" not in source for source in volume.sources)


def test_order_is_by_place_not_by_number(tmp_path: Path) -> None:
    datasets = slices(numbers())
    for dataset in datasets:
        dataset.InstanceNumber = 100 - dataset.InstanceNumber
    (volume,), _ = volumes(write(tmp_path, datasets))
    np.testing.assert_array_equal(volume.values, numbers())


def test_nifti_holds_grid_and_values_and_nothing_else(tmp_path: Path) -> None:
    (volume,), _ = volumes(write(tmp_path / "in", slices(numbers())))
    volume.save(tmp_path / "a.nii")
    image = nib.nifti1.load(tmp_path / "a.nii")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), numbers())
    np.testing.assert_allclose(image.affine, expected_affine(), atol=1e-5)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(image.get_qform(), expected_affine(), atol=1e-4)


def test_values_are_rescaled_and_stay_exact(tmp_path: Path) -> None:
    signed = (numbers().astype(np.int16) - 50).astype(np.int16)
    (volume,), _ = volumes(write(tmp_path / "1", slices(signed, RescaleSlope=1, RescaleIntercept=-1024)))
    np.testing.assert_array_equal(volume.values, signed - 1024)
    assert volume.values.dtype == np.int16
    (volume,), _ = volumes(write(tmp_path / "2", slices(numbers(), RescaleSlope=0.25, RescaleIntercept=0.5)))
    np.testing.assert_array_equal(volume.values, numbers() / 4 + 0.5)
    assert volume.values.dtype == np.float32
    (volume,), _ = volumes(write(tmp_path / "3", slices(numbers(), RescaleSlope=1000, RescaleIntercept=0)))
    np.testing.assert_array_equal(volume.values, numbers().astype(int) * 1000)
    assert volume.values.dtype == np.int32


def test_monochrome1_is_inverted_within_the_stored_bits(tmp_path: Path) -> None:
    inverted = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    (volume,), _ = volumes(write(tmp_path / "1", slices(numbers(), **inverted, RescaleSlope=2, RescaleIntercept=1)))
    np.testing.assert_array_equal(volume.values, 2 * (4095 - numbers().astype(int)) + 1)
    assert volume.warnings == ["MONOCHROME1: the grey values were inverted"]
    signed = numbers(dtype=np.int16)
    (volume,), _ = volumes(write(tmp_path / "2", slices(signed, PhotometricInterpretation="MONOCHROME1")))
    np.testing.assert_array_equal(volume.values, -1 - signed)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pixels(tmp_path: Path, syntax: str) -> None:
    (plain,), _ = volumes(write(tmp_path / "plain", slices(numbers((16, 16, 3)))))
    datasets = slices(numbers((16, 16, 3)))
    if syntax == RLELossless:
        for dataset in datasets:
            dataset.compress(syntax, generate_instance_uid=False)
    else:
        datasets = [jpeg2000(dataset) for dataset in datasets]
    (volume,), _ = volumes(write(tmp_path / "compressed", datasets))
    np.testing.assert_array_equal(volume.values, plain.values)


def jpeg2000(dataset: FileDataset) -> FileDataset:
    import io

    from PIL import Image
    from pydicom.encaps import encapsulate

    buffer = io.BytesIO()
    Image.fromarray(dataset.pixel_array).save(buffer, format="JPEG2000", no_jp2=True, num_resolutions=2)
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return dataset


def test_a_syntax_without_decoder_is_named(tmp_path: Path) -> None:
    datasets = slices(numbers())
    for dataset in datasets:
        dataset = jpeg2000(dataset)
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    sentence = "no decoder is installed for pixels compressed as JPEG Lossless, Non-Hierarchical"
    with pytest.raises(ValueError, match=sentence):
        volumes(write(tmp_path, datasets))


def test_cine_is_split_by_rank_within_a_position(tmp_path: Path) -> None:
    """Trigger times differ from slice to slice, and the second phase of one is before the first of another."""
    datasets = []
    for phase in (2, 0, 1):
        for k, start in enumerate((10.0, 500.0, 80.0, 7.0, 300.0)):
            pixels = (numbers()[..., k].T + 1000 * phase).astype(np.uint16)
            uid = f"{SERIES_UID}.{k + 1}.{phase + 1}"
            datasets.append(
                slice_dataset(pixels, k, SOPInstanceUID=uid, TriggerTime=start + 40 * phase, InstanceNumber=7)
            )
    found, warnings = volumes(write(tmp_path, datasets))
    assert warnings == []
    for phase, volume in enumerate(found):
        np.testing.assert_array_equal(volume.values, numbers() + 1000 * phase)
    assert len(found) == 3


def test_cine_without_trigger_times_is_ranked_by_number(tmp_path: Path) -> None:
    datasets = [
        slice_dataset(
            (numbers()[..., k].T + 1000 * phase).astype(np.uint16),
            k,
            SOPInstanceUID=f"{SERIES_UID}.{k + 1}.{9 - phase}",
            InstanceNumber=20 * k + phase,
        )
        for k in range(5)
        for phase in range(3)
    ]
    found, _ = volumes(write(tmp_path, datasets))
    assert [int(volume.values[0, 0, 0]) for volume in found] == [0, 1000, 2000]


def test_multi_frame_image(tmp_path: Path) -> None:
    (volume,), warnings = volumes(write(tmp_path, [enhanced(numbers(), order=[3, 0, 4, 2, 1])]))
    np.testing.assert_array_equal(volume.values, 2 * numbers().astype(int) - 10)
    np.testing.assert_allclose(volume.affine, expected_affine(), atol=1e-5)
    assert [frame.number for frame in volume.frames] == [2, 5, 4, 1, 3]
    assert len(volume.sources) == 1
    assert warnings == []


def test_multi_frame_cine(tmp_path: Path) -> None:
    found, _ = volumes(write(tmp_path, [enhanced(numbers(), order=[4, 3, 2, 1, 0], phases=3)]))
    for phase, volume in enumerate(found):
        np.testing.assert_array_equal(volume.values, 2 * (numbers().astype(int) + 1000 * phase) - 10)
    assert [frame.number for frame in found[1].frames] == [10, 9, 8, 7, 6]


def test_a_single_slice(tmp_path: Path) -> None:
    (volume,), _ = volumes(write(tmp_path, slices(numbers((6, 4, 1)))))
    np.testing.assert_allclose(volume.affine, expected_affine(step_mm=4), atol=1e-5)
    (other,), _ = volumes(write(tmp_path, slices(numbers((6, 4, 1)), SpacingBetweenSlices=7)))
    assert other.step_mm == pytest.approx(7)


def test_copies_are_used_once(tmp_path: Path) -> None:
    datasets = slices(numbers())
    write(tmp_path, [datasets[2], datasets[2]], prefix="sent_twice")
    resent = slices(numbers())[3]
    resent.SOPInstanceUID, resent.InstanceNumber = f"{SERIES_UID}.99", 99
    (volume,), warnings = volumes(write(tmp_path, [*datasets, resent]))
    np.testing.assert_array_equal(volume.values, numbers())
    assert warnings == [
        "2 of the images are copies of another one with the same identifier: one was used",
        "1 of the images is a copy of another one at the same position: one was used",
    ]
    assert [source.InstanceNumber for source in volume.sources] == [1, 11, 21, 31, 41]


def test_orientations_that_differ_in_the_last_digits(tmp_path: Path) -> None:
    datasets = slices(numbers())
    datasets[1].ImageOrientationPatient = [0.8, 0.6, 0.00001, -0.36, 0.48, 0.8]
    (volume,), _ = volumes(write(tmp_path, datasets))
    assert volume.warnings == ["the images' orientations differ in the last digits: their mean was used"]
    assert volume.affine[2, 0] == pytest.approx(0.75 * 0.00001 / 5, rel=1e-4)


def test_slightly_uneven_slices_are_a_warning(tmp_path: Path) -> None:
    datasets = slices(numbers())
    datasets[2].ImagePositionPatient = position(2.02)
    (volume,), _ = volumes(write(tmp_path, datasets))
    assert volume.warnings == ["slices lie up to 0.10 mm off an even grid of 5.00 mm"]


def test_positions_rounded_to_a_tenth_are_even(tmp_path: Path) -> None:
    datasets = [
        slice_dataset(
            numbers()[..., 0].T.copy(),
            k,
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, round(0.625 * k, 1)],
        )
        for k in range(9)
    ]
    (volume,), _ = volumes(write(tmp_path, datasets))
    assert volume.step_mm == pytest.approx(0.625)


def test_a_tilted_gantry_is_kept_in_the_grid(tmp_path: Path) -> None:
    datasets = slices(numbers())
    for k, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = list(ORIGIN + k * (5 * NORMAL + 1 * COLUMN))
    (volume,), _ = volumes(write(tmp_path, datasets))
    np.testing.assert_allclose(volume.affine[:3, 2], [-1, -1, 1] * (5 * NORMAL + COLUMN), atol=1e-5)
    assert volume.warnings == ["the stack of slices is sheared by 11.3 degrees, as by a tilted gantry"]


def changed(index: int, **elements: Any) -> Callable[[list[FileDataset]], None]:
    def change(datasets: list[FileDataset]) -> None:
        for keyword, value in elements.items():
            if value is None:
                delattr(datasets[index], keyword)
            else:
                setattr(datasets[index], keyword, value)

    return change


def without(*indices: int) -> Callable[[list[FileDataset]], None]:
    def change(datasets: list[FileDataset]) -> None:
        for index in sorted(indices, reverse=True):
            del datasets[index]

    return change


def other_at_its_place(datasets: list[FileDataset]) -> None:
    datasets.append(slice_dataset(numbers()[..., 0].T.copy(), 3, SOPInstanceUID=f"{SERIES_UID}.999"))


def same_identifier(datasets: list[FileDataset]) -> None:
    datasets.append(slice_dataset(numbers()[..., 0].T.copy(), 3))


def a_phase_short(datasets: list[FileDataset]) -> None:
    for k in (0, 1, 2, 4):
        pixels = numbers()[..., k].T + 7
        datasets.append(slice_dataset(pixels.astype(np.uint16), k, SOPInstanceUID=f"{SERIES_UID}.99.{k}"))


# positions along the normal start at ORIGIN . NORMAL
START = float(ORIGIN @ NORMAL)
FAULTS = [
    (without(2), f"a slice is missing between {START + 5:.2f} and {START + 15:.2f} mm along the normal"),
    (without(1, 2), f"2 slices are missing between {START:.2f} and {START + 15:.2f} mm"),
    (changed(2, ImagePositionPatient=position(2.4)), "slices must be evenly spaced, got steps of 3.00 to 7.00 mm"),
    (
        changed(2, ImagePositionPatient=list(ORIGIN + 10 * NORMAL + 3 * ROW)),
        "slices must lie on an even grid, got one 3.00 mm off it",
    ),
    (
        other_at_its_place,
        f"different images at one position, {START + 15:.2f} mm along the normal: ...456789012.31 and ",
    ),
    (same_identifier, "two different images have the same identifier ...456789012.31"),
    (a_phase_short, f"same number of phases, got 1 instead of 2 at {START + 15:.2f} mm"),
    (changed(1, Columns=3, Rows=8), "images must have one size, got 3 x 8 and 6 x 4"),
    (changed(1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]), "images must have one orientation, got 2"),
    (changed(1, PixelSpacing=[1.5, 1.5]), "images must have one PixelSpacing, got several"),
    (changed(1, PixelSpacing=None), "image ...456789012.11 states no PixelSpacing"),
    (changed(1, PixelSpacing=[0, 0.75]), "PixelSpacing must be > 0, got (0.0, 0.75)"),
    (changed(1, ImagePositionPatient=None), "image ...456789012.11 states no ImagePositionPatient"),
    (changed(1, ImageOrientationPatient=None), "image ...456789012.11 states no ImageOrientationPatient"),
    (changed(1, PhotometricInterpretation="RGB"), "image ...456789012.11: expected grey values, found RGB"),
    (changed(1, PixelData=b"\0" * 10), "image ...456789012.11: its pixels are truncated or damaged"),
    (changed(1, PixelData=None), "image ...456789012.11: its pixels are truncated or damaged"),
]


@pytest.mark.parametrize(("fault", "sentence"), FAULTS)
def test_faults_are_named(tmp_path: Path, fault: Callable, sentence: str) -> None:
    datasets = slices(numbers())
    fault(datasets)
    with pytest.raises(ValueError) as caught:
        volumes(write(tmp_path, datasets))
    assert sentence in str(caught.value)


def test_every_other_slice_is_a_stack(tmp_path: Path) -> None:
    (volume,), _ = volumes(write(tmp_path, slices(numbers())[::2]))
    assert volume.step_mm == pytest.approx(10)


def test_skewed_or_long_directions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ImageOrientationPatient must be two perpendicular unit vectors"):
        volumes(write(tmp_path, slices(numbers(), ImageOrientationPatient=[1, 0, 0, 0.5, 0.5, 0])))


def test_a_single_slice_needs_a_thickness(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a single slice must state its SliceThickness"):
        volumes(write(tmp_path, slices(numbers((6, 4, 1)), SliceThickness=None)))


def test_older_multi_frame_images_have_no_places(tmp_path: Path) -> None:
    dataset = enhanced(numbers(), order=range(5))
    del dataset.PerFrameFunctionalGroupsSequence
    with pytest.raises(ValueError, match="frame 1 states no ImagePositionPatient"):
        volumes(write(tmp_path, [dataset]))
