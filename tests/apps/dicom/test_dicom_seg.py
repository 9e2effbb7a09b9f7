"""DICOM SEG of a label map: voxels, geometry, references, codes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import PATIENT, SERIES_UID, UID_ROOT, enhanced, numbers, position, slices, write
from dicom_readers import read_by_dcmqi
from pydicom.dataset import Dataset
from pydicom.uid import UID

from monai_lsext.apps.dicom.cases import DicomInput
from monai_lsext.apps.dicom.objects import label_probability
from monai_lsext.apps.dicom.seg import Producer, dicom_bytes, highdicom, segmentation_object
from monai_lsext.apps.dicom.series import scan
from monai_lsext.apps.dicom.volume import DicomVolume
from monai_lsext.registry import BundleInfo, Code, Label, bundle_info

CAVITY = Label(1, "left ventricle", (0, 230, 118), Code("87878005", "Left ventricle"))
WALL = Label(2, "wall", (41, 98, 255))
INFO = BundleInfo("heart", None, "left ventricle", "MR", "MR", "", 3, (CAVITY, WALL), ())
PRODUCER = Producer("heart", "0.3.1", "ab12" * 16, "9.9")
SIZE = (9, 7, 5)  # 63 pixels a frame, no multiple of 8


def read(folder: Path, case: int = 0) -> DicomVolume:
    found = DicomInput(scan(folder), bundle_info("unlisted", {}))
    return list(found.cases.values())[case].read()


def labels() -> np.ndarray:
    label_map = np.zeros(SIZE, dtype=np.int64)
    label_map[2:5, 1:6, 1:4] = 1
    label_map[6, 2:4, 2] = 2
    return label_map


def seg_of(volume: DicomVolume, label_map: np.ndarray | None = None, info: BundleInfo = INFO) -> Dataset:
    seg = segmentation_object(volume, labels() if label_map is None else label_map, info, PRODUCER)
    assert seg is not None
    return seg


def test_voxels_and_geometry_by_an_independent_reader(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "in", slices(numbers(SIZE))))
    (tmp_path / "a_seg.dcm").write_bytes(dicom_bytes(seg_of(volume)))
    found = read_by_dcmqi(tmp_path / "a_seg.dcm", volume.affine, SIZE)
    np.testing.assert_array_equal(found, labels())


def test_segments_say_what_they_are_and_who_made_them(tmp_path: Path) -> None:
    seg = seg_of(read(write(tmp_path, slices(numbers(SIZE)))))
    cavity, wall = seg.SegmentSequence
    assert (cavity.SegmentNumber, cavity.SegmentLabel, wall.SegmentLabel) == (1, "left ventricle", "wall")
    kind, category = cavity.SegmentedPropertyTypeCodeSequence[0], cavity.SegmentedPropertyCategoryCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("87878005", "SCT", "Left ventricle")
    assert (category.CodeValue, category.CodeMeaning) == ("91723000", "Anatomical Structure")
    assert wall.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"  # no code of the structure is known
    algorithm = cavity.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("heart", "0.3.1")
    assert algorithm.AlgorithmParameters == f"weights_sha256={'ab12' * 16}"
    assert cavity.SegmentAlgorithmType == "AUTOMATIC"
    colour = highdicom().color.CIELabColor.from_dicom_value(cavity.RecommendedDisplayCIELabValue).to_rgb()
    np.testing.assert_allclose(colour, CAVITY.colour, atol=2)


def test_it_refers_to_its_series_and_carries_the_patient(tmp_path: Path) -> None:
    volume = read(write(tmp_path, slices(numbers(SIZE))))
    seg = pydicom.dcmread(_saved(tmp_path / "seg.dcm", seg_of(volume)))
    assert (seg.PatientName, seg.PatientID, seg.PatientBirthDate) == tuple(PATIENT.values())
    assert seg.StudyInstanceUID == f"{UID_ROOT}.76"
    assert seg.FrameOfReferenceUID == f"{UID_ROOT}.78"
    assert seg.SeriesInstanceUID != SERIES_UID
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES_UID
    instances = [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence]
    assert instances == [frame.sop_instance_uid for frame in volume.frames]
    # each frame refers to the image at its place
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        place = [float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient]
        frame = next(frame for frame in volume.frames if frame.sop_instance_uid == source)
        np.testing.assert_allclose(place, frame.position_mm, atol=1e-6)


def _saved(path: Path, dataset: Dataset) -> Path:
    path.write_bytes(dicom_bytes(dataset))
    return path


def test_the_same_input_gives_the_same_bytes_in_any_order_of_files(tmp_path: Path) -> None:
    contents = set()
    for seed in range(3):
        volume = read(write(tmp_path / str(seed), slices(numbers(SIZE)), seed))
        contents.add(dicom_bytes(seg_of(volume)))
    assert len(contents) == 1
    seg = seg_of(volume)
    assert (str(seg.ContentDate), str(seg.ContentTime)) == ("20200102", "101500")  # the images'
    for uid in (seg.SOPInstanceUID, seg.SeriesInstanceUID, seg.DimensionIndexSequence[0].DimensionOrganizationUID):
        assert UID(uid).is_valid
    other = segmentation_object(volume, labels(), INFO, Producer("heart", "0.3.1", "00" * 32, "9.9"))
    assert other is not None
    assert other.SOPInstanceUID != seg.SOPInstanceUID


def test_nothing_found_is_no_object(tmp_path: Path) -> None:
    volume = read(write(tmp_path, slices(numbers(SIZE))))
    assert segmentation_object(volume, np.zeros(SIZE, dtype=int), INFO, PRODUCER) is None


def test_a_label_that_was_not_found_is_no_segment(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "in", slices(numbers(SIZE))))
    seg = seg_of(volume, np.where(labels() == 2, 2, 0))
    assert [(item.SegmentNumber, item.SegmentLabel) for item in seg.SegmentSequence] == [(1, "wall")]
    found = read_by_dcmqi(_saved(tmp_path / "seg.dcm", seg), volume.affine, SIZE)
    np.testing.assert_array_equal(found, labels() == 2)


def test_multi_frame_source(tmp_path: Path) -> None:
    order = [3, 0, 4, 2, 1]
    write(tmp_path / "in", [enhanced(numbers(SIZE), order, phases=2)])
    volume = read(tmp_path / "in", case=1)
    before = volume.sources[0].to_json()
    seg = seg_of(volume)
    assert volume.sources[0].to_json() == before
    found = read_by_dcmqi(_saved(tmp_path / "seg.dcm", seg), volume.affine, SIZE)
    np.testing.assert_array_equal(found, labels())
    for group in seg.PerFrameFunctionalGroupsSequence:
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        k = int(image.ReferencedFrameNumber) - 1
        assert k >= 5  # of the second phase
        frame = volume.frames[[frame.number for frame in volume.frames].index(k + 1)]
        place = [float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient]
        np.testing.assert_allclose(place, frame.position_mm)
        assert image.ReferencedSOPInstanceUID == f"{SERIES_UID}.1"


def test_phases_are_objects_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "in", [enhanced(numbers(SIZE), range(5), phases=2)])
    first, second = (seg_of(read(tmp_path / "in", case)) for case in (0, 1))
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_what_the_library_refuses_is_a_sentence_without_the_patient(tmp_path: Path) -> None:
    two = [enhanced(numbers(SIZE)[..., k : k + 2], range(2), SOPInstanceUID=f"{SERIES_UID}.{k}") for k in (0, 2)]
    for group, k in zip(two[1].PerFrameFunctionalGroupsSequence, (2, 3), strict=True):
        group.PlanePositionSequence[0].ImagePositionPatient = position(k)
    volume = read(write(tmp_path / "two", two))
    np.testing.assert_array_equal(volume.values, 2 * numbers(SIZE)[..., :4].astype(int) - 10)
    sentence = "the DICOM SEG cannot be made: ValueError: its slices lie in several multi-frame files"
    with pytest.raises(ValueError, match=sentence):
        seg_of(volume, labels()[..., :4])
    volume = read(write(tmp_path / "in", slices(numbers(SIZE), SOPClassUID="1.2.3.4")))
    with pytest.raises(ValueError, match=r"the DICOM SEG cannot be made: KeyError: '1\.2\.3\.4'"):
        seg_of(volume)


def test_probabilities(tmp_path: Path) -> None:
    volume = read(write(tmp_path / "in", slices(numbers(SIZE))))
    probability = np.random.default_rng(0).random((2, *SIZE))
    seg = segmentation_object(volume, labels(), INFO, PRODUCER, probability)
    assert seg is not None
    assert (seg.SegmentationType, seg.SegmentationFractionalType) == ("FRACTIONAL", "PROBABILITY")
    seg = pydicom.dcmread(_saved(tmp_path / "seg.dcm", seg))
    assert seg.NumberOfFrames == 10
    for stored, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        segment = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        k = next(k for k, frame in enumerate(volume.frames) if np.allclose(frame.position_mm, place))
        expected = probability[segment - 1, :, :, k].T
        np.testing.assert_allclose(stored / seg.MaximumFractionalValue, expected, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize(
    ("shape", "scale", "num_labels", "sentence"),
    [
        ((2, 3, 3, 3), 1, 2, "needs a probability for each of 2 labels, got 2 channels"),
        ((1, 3, 3, 3), 4, 1, "needs probabilities, got values in"),
    ],
)
def test_what_is_no_probability(shape: tuple[int, ...], scale: float, num_labels: int, sentence: str) -> None:
    import torch

    with pytest.raises(ValueError, match=sentence):
        label_probability(torch.rand(shape) * scale, num_labels)


def test_background_is_left_out() -> None:
    import torch

    values = torch.rand(3, 2, 2, 2)
    np.testing.assert_array_equal(label_probability(values, 2), values[1:])


def test_names_in_any_alphabet(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    datasets = slices(numbers(SIZE), SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName=name)
    seg = pydicom.dcmread(_saved(tmp_path / "seg.dcm", seg_of(read(write(tmp_path / "in", datasets)))))
    assert str(seg.PatientName) == name


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ValueError, match=r"`--seg` needs highdicom: pip install 'monai-lsext\[dicom\]'"):
        highdicom()
