"""What tells who the patient is reaches no output and no log; objects in DICOM carry what the standard requires."""

from __future__ import annotations

import gzip
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dicom_files import NAME, SERIES_UID, slices, write
from PIL import Image, PngImagePlugin
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.tag import Tag
from stub_bundle import box, photograph, save_photograph, write_one_label_bundle, write_stub_bundle

from monai_lsext.__main__ import main
from monai_lsext.apps.dicom.cases import DicomInput
from monai_lsext.apps.dicom.headers import quiet
from monai_lsext.apps.dicom.series import scan
from monai_lsext.registry import bundle_info

SIZE = (20, 18, 5)
GREY = np.where(box(SIZE, (3, 12), (4, 9), (1, 4)), 200, 40).astype(np.uint16)
REQUIRED = {
    "PatientName": "Jägermeister^Wilhelmine",
    "PatientID": "PID-4711-X",
    "PatientBirthDate": "19371224",
    "AccessionNumber": "ACC-0815",
    "ReferringPhysicianName": "Quacksalber^Theodor",
}
OTHERS = {
    "OtherPatientIDs": "OLD-9876",
    "OtherPatientNames": "Edelweiss^Wilhelmine",
    "PatientMotherBirthName": "Kornblume",
    "PatientAddress": "Holzweg 77",
    "PatientTelephoneNumbers": "089-123454321",
    "PatientComments": "Wilhelmine Jägermeister, see Holzweg 77",
    "ImageComments": "Wilhelmine Jägermeister",
    "StudyDescription": "Wilhelmine Jägermeister",
    "SeriesDescription": "Jägermeister, Wilhelmine",
    "InstitutionName": "Haus Abendrot",
    "OperatorsName": "Quacksalber^Theodor",
    "RequestedProcedureDescription": "for Quacksalber",
}
SECRETS = (
    *("jägermeister", "jagermeister", "wilhelmine", "4711-x", "19371224", "1937-12-24", "acc-0815", "quacksalber"),
    *("theodor", "9876", "edelweiss", "kornblume", "holzweg", "123454321", "abendrot"),
)


def series(number: int, **raw: bytes) -> list[FileDataset]:
    """A series of the patient; ``raw`` are elements whose bytes need not be what their kind demands."""
    uid = SERIES_UID if number == 0 else f"1.2.3.{number}"
    with quiet():
        datasets = slices(GREY, SeriesInstanceUID=uid, **REQUIRED, **OTHERS)
    for k, dataset in enumerate(datasets):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid}.{k + 1}"
        block = dataset.private_block(0x0011, "WILHELMINE", create=True)
        block.add_new(1, "LO", "Jägermeister")
        for keyword, value in raw.items():
            tag = Tag(tag_for_keyword(keyword) or 0)
            vr = dictionary_VR(tag)
            dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return datasets


def told(output: Path) -> Iterator[tuple[str, str]]:
    """Where and what text can be read in the files but DICOM, and in all names."""
    for path in output.rglob("*"):
        yield "name", path.name
        if path.suffix != ".dcm":
            yield from ((path.name, text) for text in texts(path))


def texts(path: Path) -> Iterator[str]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield data.decode("latin-1")
    yield data.decode("utf-8", errors="ignore")
    yield data.decode("utf-16-le", errors="ignore")
    if path.suffix == ".png":
        yield str(Image.open(path).info)  # with compressed chunks
    if path.suffix == ".json":
        yield data.decode("unicode-escape")


def secrets(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text.lower()]


@pytest.fixture
def run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[..., tuple[int, Path]]:
    """Start ``predict``; what it prints, logs and warns must not tell the patient, nor what it writes."""

    def started(bundle: Path, source: Path, *options: str) -> tuple[int, Path]:
        output = tmp_path / "out"
        command = ["--bundle", str(bundle), "--input", str(source), "--output", str(output), "--trust", *options]
        caplog.clear()
        capsys.readouterr()
        caplog.set_level(logging.INFO)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            status = main(["predict", *command])
        found = [("printed", text) for text in capsys.readouterr()]
        found += [("logged", caplog.text), *(("warned", str(warning.message)) for warning in warned)]
        found += told(output)
        assert not [(where, secrets(text)) for where, text in found if secrets(text)]
        return status, output

    return started


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_one_label_bundle(tmp_path / "slices", "slices")
    return tmp_path / "slices"


def test_a_patient_with_healthy_and_broken_series(tmp_path: Path, bundle: Path, run: Any) -> None:
    folder = tmp_path / "Wilhelmine Jägermeister 19371224"
    dirt = {
        "PatientSex": b"Wilhelmine",
        "PatientAge": b"Jagermeister",
        "PatientWeight": b"70,5",
        "StudyTime": b"Theodor ",
    }
    write(folder / "good", series(0, **dirt), prefix="Wilhelmine")
    gap = series(111)
    write(folder / "gap", [gap[0], *gap[2:]], prefix="Wilhelmine")
    cut = series(222)
    cut[0].PixelData = b""
    write(folder / "cut", cut, prefix="Wilhelmine")
    write(folder / "colours", series(333, PhotometricInterpretation=b"Wilhelmine"), prefix="Wilhelmine")
    with quiet():
        write(folder / "class", series(444, SOPClassUID=b"PID-4711-X"), prefix="Wilhelmine")
    (folder / "Wilhelmine.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"Wilhelmine" * 9)
    status, output = run(bundle, folder, "--seg", "--sr", "--rtstruct")
    assert status == 3
    objects = {path.name: path.read_bytes() for path in output.glob("*.dcm")}
    assert sorted(objects) == [f"{NAME}_{kind}.dcm" for kind in ("rtstruct", "seg", "sr")]
    for name, content in objects.items():
        text = content.decode("utf-8", errors="ignore").lower() + content.decode("latin-1").lower()
        # the search finds what is there
        assert not [value for value in REQUIRED.values() if value.lower() not in text], name


@pytest.mark.parametrize("options", [["--series", "1.2.3.4.5"], ["--seg"], ["--fractional"]])
def test_what_leaves_nothing_to_do(tmp_path: Path, bundle: Path, run: Any, options: list[str]) -> None:
    datasets = series(0) if options != ["--seg"] else series(0, InstanceNumber=b"Wilhelmine")
    with quiet():
        source = write(tmp_path / "in" / "Wilhelmine", datasets, prefix="Wilhelmine").parent
    assert run(bundle, source, *options)[0] == 2


def test_free_text_of_pictures_and_volumes(tmp_path: Path, bundle: Path, run: Any) -> None:
    write_stub_bundle(tmp_path / "eyes")
    (tmp_path / "pictures").mkdir()
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", "Wilhelmine Jagermeister", zip=True)
    path = save_photograph(tmp_path / "pictures" / "a.png")
    Image.open(path).save(path, pnginfo=chunks)
    exif = Image.Exif()
    exif[0x013B] = "Wilhelmine"
    Image.fromarray(photograph(np.zeros((40, 48)))).save(tmp_path / "pictures" / "b.jpg", exif=exif, comment=b"4711-X")
    assert secrets(next(texts(tmp_path / "pictures" / "b.jpg"))) == ["wilhelmine", "4711-x"]
    assert run(tmp_path / "eyes", tmp_path / "pictures")[0] == 0
    image = nib.nifti1.Nifti1Image(GREY, np.eye(4))
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = b"Wilhelmine", b"4711-X", b"19371224"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jagermeister"))
    nib.save(image, tmp_path / "heart.nii.gz")
    assert len(secrets(next(texts(tmp_path / "heart.nii.gz")))) == 4
    assert run(bundle, tmp_path / "heart.nii.gz")[0] == 0


def test_sentences_of_other_programs_lose_names(tmp_path: Path) -> None:
    source = write(tmp_path / "Wilhelmine", series(0), prefix="Jagermeister")
    found = DicomInput(scan(source), bundle_info("unlisted", {"1": "cavity"}))
    file = found.files(NAME)[0]
    assert found.sentence(NAME, FileNotFoundError(2, "No such file", str(file))) == (
        "FileNotFoundError: [Errno 2] No such file: 'a file of the series'"
    )
    assert found.sentence(NAME, KeyError("Wilhelmine of 19371224, PID-4711-X")) == "KeyError: '*** of ***, ***'"
    assert found.sentence(NAME, ValueError("steps of 5.00 mm")) == "steps of 5.00 mm"
    # a name that the end of the sentence would cut in two
    sentence = found.sentence(NAME, ValueError("x" * 292 + " Wilhelmine of the long names"))
    assert sentence == "x" * 292 + " *** ..."
    file.unlink()
    assert found.sentence(NAME, ValueError("Wilhelmine")) == "its files cannot be read"
