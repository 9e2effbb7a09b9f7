"""Contours as RT Structure Set: they enclose the mask's voxels, in the patient's millimetres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import NAME, PATIENT, SERIES_UID, UID_ROOT, enhanced, numbers, slices, write
from skimage.draw import polygon2mask
from stub_bundle import write_one_label_bundle
from test_dicom_predict import grey, run
from test_dicom_seg import INFO, PRODUCER, SIZE, read, seg_of

from monai_lsext.apps.dicom.rtstruct import contours_mm, structure_set, without_holes
from monai_lsext.apps.dicom.seg import dicom_bytes
from monai_lsext.data.object_geojson import object_rings, ring_polygons, signed_area
from monai_lsext.registry import BundleInfo, Code, Region

REGIONS = (
    Region("all", "whole", (1, 2), (1, 2, 3), Code("80891009", "Heart")),
    Region("inner", "inner", (2,), (4, 5, 6)),
)
STRUCTURES = BundleInfo(**{**INFO.__dict__, "regions": REGIONS})


def labels() -> np.ndarray:
    """A frame with two holes, something in one of them, and a second piece, in slices 1 to 3."""
    label_map = np.zeros(SIZE, dtype=np.int64)
    label_map[:8, 1:, 1:4] = 1
    label_map[1:4, 2:5, 1:4] = 0
    label_map[5:7, 2:4, 1:4] = 0
    label_map[2, 3, 1:4] = 2
    label_map[8, 0, 2] = 2
    return label_map


def filled(points_px: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres lie in an odd number of rings."""
    return np.bitwise_xor.reduce([polygon2mask(shape, points) for points in points_px])


def test_a_ring_with_channels_encloses_what_lies_outside_the_holes() -> None:
    mask = labels()[..., 1]
    (number,) = object_rings((mask == 1).astype(np.uint8))
    (polygon,) = ring_polygons(object_rings((mask == 1).astype(np.uint8))[number])
    assert len(polygon) == 3
    ring = without_holes(polygon)
    assert np.array_equal(ring[0], ring[-1])
    assert signed_area(ring) == pytest.approx(sum(signed_area(part) for part in polygon))
    np.testing.assert_array_equal(filled([ring], mask.shape), mask == 1)


def test_contours_lie_in_the_patient(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "in", slices(numbers(SIZE))))
    (tmp_path / "a.dcm").write_bytes(dicom_bytes(structure_set(volume, labels(), STRUCTURES, PRODUCER)))
    found = pydicom.dcmread(tmp_path / "a.dcm")
    assert [roi.ROIName for roi in found.StructureSetROISequence] == ["whole", "inner"]
    to_voxel = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ volume.affine)
    for roi, region in zip(found.ROIContourSequence, REGIONS, strict=True):
        rings: dict[int, list[np.ndarray]] = {k: [] for k in range(SIZE[2])}
        for contour in roi.ContourSequence:
            points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            voxels = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            k = round(float(voxels[0, 2]))
            np.testing.assert_allclose(voxels[:, 2], k, atol=1e-4)
            (image,) = contour.ContourImageSequence
            assert image.ReferencedSOPInstanceUID == volume.frames[k].sop_instance_uid
            rings[k].append(voxels[:, :2])
        for k in range(SIZE[2]):
            expected = np.isin(labels()[..., k], region.values)
            drawn = filled(rings[k], SIZE[:2]) if rings[k] else np.zeros(SIZE[:2], dtype=bool)
            np.testing.assert_array_equal(drawn, expected)


def test_it_says_whose_and_what_it_is(tmp_path: Path) -> None:
    volume = read(write(tmp_path, slices(numbers(SIZE))))
    found = structure_set(volume, labels(), STRUCTURES, PRODUCER)
    assert found is not None
    assert (str(found.PatientName), found.StudyInstanceUID) == (PATIENT["PatientName"], f"{UID_ROOT}.76")
    (frame,) = found.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert (frame.FrameOfReferenceUID, series.SeriesInstanceUID) == (f"{UID_ROOT}.78", SERIES_UID)
    first, second = found.RTROIObservationsSequence
    assert first.RTROIIdentificationCodeSequence[0].CodeValue == "80891009"
    assert "RTROIIdentificationCodeSequence" not in second
    assert list(found.ROIContourSequence[0].ROIDisplayColor) == [1, 2, 3]
    again = structure_set(volume, labels(), STRUCTURES, PRODUCER)
    assert again is not None
    assert dicom_bytes(found) == dicom_bytes(again)
    assert structure_set(volume, np.zeros(SIZE, dtype=int), STRUCTURES, PRODUCER) is None
    assert found.SOPInstanceUID != seg_of(volume).SOPInstanceUID


def test_frames_of_a_multi_frame_image_are_named(tmp_path: Path) -> None:
    volume = read(write(tmp_path, [enhanced(numbers(SIZE), [3, 0, 4, 2, 1])]))
    found = structure_set(volume, labels(), STRUCTURES, PRODUCER)
    assert found is not None
    frames = {
        contour.ContourImageSequence[0].ReferencedFrameNumber for contour in found.ROIContourSequence[0].ContourSequence
    }
    assert frames == {5, 4, 1}  # of slices 1, 2, 3


def test_contours_of_a_square_are_half_a_pixel_outside_its_centres() -> None:
    mask = np.zeros((6, 6, 2), dtype=bool)
    mask[2:4, 2:4, 1] = True
    ((k, points),) = contours_mm(mask, np.diag([-2.0, -2.0, 3.0, 1.0]))
    assert k == 1
    assert (points.min(0).tolist(), points.max(0).tolist()) == ([3, 3, 3], [7, 7, 3])


def test_long_contours_are_written_whole(tmp_path: Path) -> None:
    """Beyond the 64 KiB of an explicit transfer syntax."""
    size = (400, 400, 1)
    comb = np.zeros(size, dtype=np.int64)
    comb[::2, 1:-1] = 1
    comb[:, 0] = 1
    volume = read(write(tmp_path / "in", slices(np.zeros(size, np.uint16))))
    (tmp_path / "a.dcm").write_bytes(dicom_bytes(structure_set(volume, comb, STRUCTURES, PRODUCER)))
    (contour,) = pydicom.dcmread(tmp_path / "a.dcm").ROIContourSequence[0].ContourSequence
    assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints > 3 * 65536 / 30
    assert contour["ContourData"].VR == "DS"


def test_by_the_command(tmp_path: Path) -> None:
    write_one_label_bundle(tmp_path / "slices", "slices")
    source = write(tmp_path / "in", slices(grey()))
    assert run(tmp_path / "slices", source, tmp_path / "out", "--rtstruct") == 0
    assert [path.name for path in (tmp_path / "out").glob("*.dcm")] == [f"{NAME}_rtstruct.dcm"]
    found = pydicom.dcmread(tmp_path / "out" / f"{NAME}_rtstruct.dcm")
    assert (found.Modality, found.StructureSetROISequence[0].ROIName) == ("RTSTRUCT", "cavity")
