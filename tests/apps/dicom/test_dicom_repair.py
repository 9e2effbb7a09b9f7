"""Faults that are mended, each with one warning."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from dicom_files import COLUMN, ROW, SECRETS, SERIES_UID, UID_ROOT, numbers, slices
from pydicom.uid import UID

from monai_lsext.apps.dicom.headers import quiet, without_patient
from monai_lsext.apps.dicom.repair import derived_uid, repair

DIRECTIONS = np.stack([ROW, COLUMN])


def test_sound_files_need_no_repair() -> None:
    assert repair(slices(numbers()), DIRECTIONS, 5.0) == []


def test_invalid_dates_times_and_sex_are_emptied() -> None:
    datasets = slices(numbers())
    with quiet():
        for dataset in datasets:
            dataset.StudyDate, dataset.PatientBirthDate, dataset.StudyTime = "20120000", "00000000", "noon"
            dataset.PatientSex = "X"
            dataset.SeriesDate = "20200102"
    warnings = repair(datasets, DIRECTIONS, 5.0)
    assert warnings == ["invalid values were emptied: PatientBirthDate, PatientSex, StudyDate, StudyTime"]
    for dataset in datasets:
        assert (dataset.StudyDate, dataset.PatientBirthDate, dataset.StudyTime, dataset.PatientSex) == ("", "", "", "")
        assert dataset.SeriesDate == "20200102"


@pytest.mark.parametrize("missing", [False, True])
def test_one_frame_of_reference_is_generated(missing: bool) -> None:
    datasets = slices(numbers())
    for k, dataset in enumerate(datasets):
        dataset.FrameOfReferenceUID = "" if missing else f"{UID_ROOT}.9.{k}"
    (warning,) = repair(datasets, DIRECTIONS, 5.0)
    what = "state no frame of reference" if missing else "state 5 frames of reference"
    assert warning == f"the images {what} though they lie on one grid: one was generated"
    (generated,) = {dataset.FrameOfReferenceUID for dataset in datasets}
    assert UID(generated).is_valid
    assert generated == derived_uid("frame of reference", SERIES_UID)


def test_identifiers_are_kept_to_the_letter() -> None:
    with quiet():
        datasets = slices(numbers(), StudyInstanceUID="1.2.0345")
    (warning,) = repair(datasets, DIRECTIONS, 5.0)
    assert warning == "identifiers have a component with a leading zero: kept, so that references are found"
    assert {dataset.StudyInstanceUID for dataset in datasets} == {"1.2.0345"}
    assert repair(slices(numbers(), StudyInstanceUID="1.2.0.345"), DIRECTIONS, 5.0) == []


def test_what_an_object_repeats_is_there_and_geometry_is_one() -> None:
    datasets = slices(numbers(), SliceThickness=None, AccessionNumber=None, PatientID=None)
    for k, dataset in enumerate(datasets):
        dataset.ImageOrientationPatient = [0.8, 0.6, k * 1e-6, -0.36, 0.48, 0.8]
        dataset.SpacingBetweenSlices = 3  # as wrong as it is often
    repair(datasets, DIRECTIONS, 5.0)
    for dataset in datasets:
        assert (dataset.AccessionNumber, dataset.PatientID) == ("", "")
        assert (float(dataset.SpacingBetweenSlices), float(dataset.SliceThickness)) == (5.0, 5.0)
        np.testing.assert_allclose(np.array(dataset.ImageOrientationPatient, dtype=float), DIRECTIONS.ravel())


def test_derived_identifiers_are_valid_and_depend_on_their_parts_alone() -> None:
    assert derived_uid("a", 1) == derived_uid("a", 1) != derived_uid("a", 2)
    assert UID(derived_uid("a")).is_valid
    assert derived_uid("a").startswith("2.25.")


def test_libraries_are_kept_from_telling(caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> None:
    with quiet():
        logging.getLogger("highdicom.base").warning("Wilhelmine")
        logging.getLogger("pydicom").error("Wilhelmine")
        slices(numbers(), PatientBirthDate="Wilhelmine")
    logging.getLogger("highdicom.base").warning("as before")
    assert caplog.messages == ["as before"]
    assert not any(secret in str(warning.message).lower() for warning in recwarn for secret in SECRETS)


def test_messages_without_the_patient() -> None:
    (dataset, *_) = slices(numbers())
    text = "Jägermeister^Wilhelmine, also Wilhelmine, of PID-4711-X born 19371224 is F, 5 slices"
    assert without_patient(text, dataset) == "***, also ***, of *** born *** is F, 5 slices"
