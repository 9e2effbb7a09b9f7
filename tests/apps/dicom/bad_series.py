"""Bad DICOM inputs to ``predict``; see ``bad_inputs`` for what a row says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bad_inputs import Bad, Place, Spoil, put
from dicom_files import COLUMN, CT, enhanced, numbers, position, slice_dataset, slices, write
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import MPEG2MPML, ExplicitVRLittleEndian, JPEG2000Lossless, MediaStorageDirectoryStorage, RLELossless
from stub_bundle import NAME, box, write_one_label_bundle, write_stub_bundle

from monai_lsext.apps.dicom.headers import quiet

__all__ = ["SERIES", "write_healthy"]

BAD_UID = "1.2.3.111"
MASK = box((20, 18, 5), (3, 12), (4, 9), (1, 4))
GREY = np.where(MASK, 200, 40).astype(np.uint16)


def write_healthy(folder: Path) -> None:
    write(folder / "healthy", slices(GREY))


def series(change: Callable[[list[FileDataset]], Any] | None = None, **elements: Any) -> Spoil:
    """A second series beside the healthy one.

    Args:
        change: of its slices, in place, or giving others.
        elements: of all of them.
    """

    def spoil(place: Place) -> None:
        with quiet():
            datasets = slices(GREY, **{"SeriesInstanceUID": BAD_UID, **elements})
        for k, dataset in enumerate(datasets):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{BAD_UID}.{k + 1}"
        changed = None if change is None else change(datasets)
        write(place.source / "bad", datasets if changed is None else changed)

    return spoil


def alone(spoil: Spoil) -> Spoil:
    """The same without the healthy series."""

    def alone(place: Place) -> None:
        place.source = place.folder / "alone"
        place.source.mkdir()
        spoil(place)

    return alone


def of_slice(index: int, **elements: Any) -> Spoil:
    """A series with one slice that differs."""

    def change(datasets: list[FileDataset]) -> None:
        for keyword, value in elements.items():
            if value is None:
                delattr(datasets[index], keyword)
            else:
                setattr(datasets[index], keyword, value)

    return series(change)


def _size(datasets: list[FileDataset]) -> None:
    datasets[2].Rows, datasets[2].Columns = 9, 40


def _coloured(datasets: list[FileDataset]) -> None:
    for dataset in datasets:
        dataset.PixelData = np.zeros((18, 20, 3), np.uint8).tobytes()
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7


def _encapsulated(syntax: str, cut: int | None) -> Spoil:
    """Compressed slices; the bytes of the third one's frame end early."""

    def change(datasets: list[FileDataset]) -> None:
        for k, dataset in enumerate(datasets):
            dataset.compress(RLELossless, generate_instance_uid=False)
            (frame,) = generate_frames(dataset.PixelData)
            if k == 2 and cut is not None:
                dataset.PixelData = encapsulate([frame[:cut]])
            dataset.file_meta.TransferSyntaxUID = syntax

    return series(change)


def _sheared(datasets: list[FileDataset]) -> None:
    for k, dataset in enumerate(datasets):
        shifted = np.array(position(k)) + k * 1.5 * COLUMN
        dataset.ImagePositionPatient = [round(float(value), 6) for value in shifted]


def _nan(datasets: list[FileDataset]) -> None:
    for dataset in datasets:
        values = np.full((18, 20), 40, np.float32)
        values[3, 4] = np.nan
        del dataset.PixelData
        dataset.FloatPixelData = values.tobytes()
        dataset.BitsAllocated = 32
        del dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation


def _cut_file(end: int) -> Spoil:
    """One file of the series ends early."""

    def spoil(place: Place) -> None:
        series()(place)
        file = sorted((place.source / "bad").iterdir())[0]
        file.write_bytes(file.read_bytes()[:end])

    return spoil


def _link_outside(place: Place) -> None:
    series()(place)
    (place.source / "bad").rename(place.folder / "outside")
    (place.source / "bad").symlink_to(place.folder / "outside")


def _left_ventricle(place: Place) -> None:
    """A bundle whose rule is MR, three slices, short axis."""
    place.bundle = place.folder / "edpcnn_left_ventricle"
    write_one_label_bundle(place.bundle, "slices")


def _photographs(place: Place) -> None:
    place.bundle = place.folder / NAME
    write_stub_bundle(place.bundle)


def with_options(spoil: Spoil, *options: str) -> Spoil:
    def both(place: Place) -> None:
        spoil(place)
        place.options += options

    return both


def all_of(*spoils: Spoil) -> Spoil:
    def spoil_all(place: Place) -> None:
        for spoil in spoils:
            spoil(place)

    return spoil_all


def _text_in_numbers(place: Place) -> None:
    series()(place)
    for file in (place.source / "bad").iterdir():
        content = file.read_bytes()
        assert content.count(b"1.5\\0.75") == 1
        file.write_bytes(content.replace(b"1.5\\0.75", b"ab,\\cdef"))


def _directory(place: Place) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MediaStorageDirectoryStorage, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.FileSetID = "DISC"
    dataset.save_as(place.source / "DICOMDIR")


def _frames_without_places(place: Place) -> None:
    dataset = enhanced(GREY, range(5), SeriesInstanceUID=BAD_UID)
    del dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence
    write(place.source / "bad", [dataset])


def _another_image(datasets: list[FileDataset]) -> list[FileDataset]:
    pixels = numbers((20, 18, 1))[..., 0].T.copy()
    return [*datasets, slice_dataset(pixels, 2, SeriesInstanceUID=BAD_UID, SOPInstanceUID="1.9")]


NOISE = b"\0" * 128 + b"DICM" + b"\xff" * 50
TRUNCATED = "its pixels are truncated or damaged"
LOST = "damaged DICOM files: a series may lack slices at its ends"
NONE_FITS = "no DICOM series fits slices: "
UPRIGHT = [1, 0, 0, 0, 1, 0]
SKEWED = [1, 0, 0, 0.6, 0.8, 0]
NOT_DICOM = put("bad.dcm", "text")

SERIES = [
    Bad("slice missing", series(lambda all: all[:2] + all[3:]), 3, "a slice is missing between"),
    Bad("two images at one position", series(_another_image), 3, "different images at one position"),
    Bad(
        "two images of one identifier", of_slice(4, SOPInstanceUID=f"{BAD_UID}.2"), 3, "have the same identifier ...1.2"
    ),
    Bad(
        "a slice twice", series(lambda all: [*all, all[1]]), 0, "1 of the images is a copy of another one with the same"
    ),
    Bad("sizes", series(_size), 3, "images must have one size, got 20 x 18 and 40 x 9"),
    Bad("orientations", of_slice(1, ImageOrientationPatient=UPRIGHT), 3, "images must have one orientation, got 2"),
    Bad("spacings", of_slice(1, PixelSpacing=[1, 1]), 3, "images must have one PixelSpacing, got several"),
    Bad("no PixelSpacing", series(PixelSpacing=None), 3, "states no PixelSpacing"),
    Bad("PixelSpacing of zero", series(PixelSpacing=[0, 0]), 3, "PixelSpacing must be > 0, got (0.0, 0.0)"),
    Bad("negative PixelSpacing", series(PixelSpacing=[-1, 1]), 3, "PixelSpacing must be > 0, got (-1.0, 1.0)"),
    Bad("no position", of_slice(1, ImagePositionPatient=None), 3, "...1.2.3.111.2 states no ImagePositionPatient"),
    Bad("skewed axes", series(ImageOrientationPatient=SKEWED), 3, "must be two perpendicular unit vectors"),
    Bad("tilted gantry", series(_sheared), 0, "the stack of slices is sheared by 16.7 degrees, as by a tilted gantry"),
    Bad(
        "one slice, no thickness", series(lambda all: all[:1], SliceThickness=None), 3, "must state its SliceThickness"
    ),
    Bad("pixels cut off", of_slice(2, PixelData=b"\0" * 100), 3, f"image ...1.2.3.111.3: {TRUNCATED}"),
    Bad("no pixels", of_slice(2, PixelData=None), 3, f"image ...1.2.3.111.3: {TRUNCATED}"),
    Bad("file cut off in the pixels", _cut_file(-100), 3, TRUNCATED),
    Bad("file cut off in the header", _cut_file(600), 3, f"1 {LOST}"),
    Bad("frame cut off", _encapsulated(RLELossless, 100), 3, TRUNCATED),
    Bad("no decoder", _encapsulated(MPEG2MPML, None), 3, "no decoder is installed for pixels compressed as MPEG2"),
    Bad("wrong transfer syntax", _encapsulated(JPEG2000Lossless, None), 3, TRUNCATED),
    Bad("colour series", series(_coloured), 3, "expected grey values, found RGB"),
    Bad("NaN in a series", series(_nan), 3, "image must have finite values, got 5 that are nan or infinite"),
    Bad("frames without places", _frames_without_places, 3, "states no ImagePositionPatient"),
    Bad("text in numbers", _text_in_numbers, 3, f"5 {LOST}"),
    Bad("text called .dcm", NOT_DICOM, 3, f"1 {LOST}"),
    Bad("noise after a DICOM preamble", put("bad", NOISE), 3, f"1 {LOST}"),
    Bad(
        "images without identifiers",
        series(StudyInstanceUID=None),
        3,
        "5 images without the identifiers of their study",
    ),
    Bad("directory of a disc", _directory, 0, "passed over: 1 directories of DICOM files"),
    Bad("path in the identifier", series(SeriesInstanceUID="1/../../../bad"), 0, "_.._.._bad"),
    Bad("link out of the folder", _link_outside, 0, "passed over: 1 symbolic links"),
    Bad("only a link out of the folder", alone(_link_outside), 2, f"{NONE_FITS}1 symbolic links"),
    Bad("only a text called .dcm", alone(NOT_DICOM), 2, f"{NONE_FITS}1 damaged DICOM files"),
    Bad(
        "two series of one name",
        series(SeriesInstanceUID="1.9.123456789012"),
        2,
        "case names must differ, got two series",
    ),
    Bad("unknown series", with_options(series(), "--series", "1.2.3"), 2, "another series was asked for"),
    Bad(
        "CT for MR",
        all_of(_left_ventricle, alone(series(Modality="CT", SOPClassUID=CT))),
        2,
        "modality CT, expected MR",
    ),
    Bad(
        "1 slice of 3", all_of(_left_ventricle, alone(series(lambda all: all[:1]))), 2, "1 slices, expected at least 3"
    ),
    Bad("MR for photographs", all_of(_photographs, series()), 2, "modality MR, expected OP"),
    Bad("pictures beside DICOM", all_of(put("a.png"), put("a", NOISE)), 2, "holds DICOM and other images; choose"),
    Bad("--seg of a text", with_options(alone(put("a.txt")), "--seg"), 2, f"{NONE_FITS}1 other files"),
]
