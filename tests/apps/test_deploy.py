"""Bundles in MONAI Deploy, in the environment that the variable LSEXT_DEPLOY_PYTHON names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import OphthalmicPhotography8BitImageStorage

from monai_lsext.__main__ import main
from monai_lsext.data.phantoms import abdomen_phantom, atrium_phantom, fundus_phantom, short_axis_phantom
from monai_lsext.registry import BUNDLES, find_bundle

sys.path.append(str(Path(__file__).parent / "dicom"))

from dicom_files import CT, NAME, SECRETS, SERIES_UID, slice_dataset, write

pytestmark = pytest.mark.deploy

LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])
TURNED = np.array([[0.8, 0.6, 0], [-0.36, 0.48, 0.8], [0.48, -0.64, 0.6]]).T
LONG_S = 300


@pytest.fixture(scope="module")
def deploy_python(interpreter: Callable[[str, str], str]) -> str:
    """Interpreter with the App SDK."""
    return interpreter("LSEXT_DEPLOY_PYTHON", "MONAI Deploy")


def started(python: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [python, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONG_S)


def deployed(
    python: str, bundle: str | Path, source: Path, output: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    arguments = ("--bundle", bundle, "--input", source, "--output", output, *more)
    return started(python, "-m", "monai_lsext.apps.deploy", *arguments)


def series(values: np.ndarray, affine: np.ndarray, phase: int = 1, **elements: Any) -> list[FileDataset]:
    """The slices of a volume [W, H, D] with an affine to RAS."""
    lps = LPS_TO_RAS @ affine
    columns_mm, rows_mm, step_mm = np.linalg.norm(lps[:3, :3], axis=0)
    directions = lps[:3, :2] / [columns_mm, rows_mm]
    return [
        slice_dataset(
            np.ascontiguousarray(values[..., k].T),
            k,
            SOPInstanceUID=f"{SERIES_UID}.{k + 1}.{phase}",
            PixelSpacing=[round(float(rows_mm), 6), round(float(columns_mm), 6)],
            SliceThickness=round(float(step_mm), 6),
            ImageOrientationPatient=[round(float(value), 8) for value in directions.T.ravel()],
            ImagePositionPatient=[round(float(value), 6) for value in lps[:3, 3] + k * lps[:3, 2]],
            **elements,
        )
        for k in range(values.shape[2])
    ]


def atrium(spacing_mm: tuple[float, float, float], turn: np.ndarray) -> list[FileDataset]:
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing_mm
    image = atrium_phantom(0).image
    return series((image - image.min()).astype(np.uint16), affine)


def heart(phases: int) -> list[FileDataset]:
    phantom = short_axis_phantom(0)
    datasets = []
    for phase, frame in enumerate((phantom.ed, phantom.es)[:phases], 1):
        datasets += series(frame.image.astype(np.uint16), phantom.affine, phase, TriggerTime=400 * phase)
    return datasets


def abdomen() -> list[FileDataset]:
    phantom = abdomen_phantom(0, (64, 48, 24))
    stored = (phantom.image + 1024).astype(np.uint16)
    elements = {"SOPClassUID": CT, "Modality": "CT", "RescaleIntercept": -1024, "RescaleSlope": 1}
    return series(stored, np.diag([*phantom.spacing_mm, 1.0]), **elements)


def content(path: Path) -> dict[str, Any]:
    """What a SEG says: mask and referenced image by place, code of the segment, referenced series."""
    seg = pydicom.dcmread(path)
    (segment,) = seg.SegmentSequence
    frames = {}
    for group, mask in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        place = tuple(float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient)
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        frames[place] = image.ReferencedSOPInstanceUID, np.packbits(mask).tobytes()
    assert seg.pixel_array.any()
    assert not seg.pixel_array.all()
    shared = seg.SharedFunctionalGroupsSequence[0]
    code = segment.SegmentedPropertyTypeCodeSequence[0]
    return {
        "frames": frames,
        "orientation": list(shared.PlaneOrientationSequence[0].ImageOrientationPatient),
        "spacing": list(shared.PixelMeasuresSequence[0].PixelSpacing),
        "segment": (segment.SegmentLabel, code.CodeValue, code.CodingSchemeDesignator),
        "series": seg.ReferencedSeriesSequence[0].SeriesInstanceUID,
    }


def predicted(bundle: str, source: Path, output: Path) -> dict[str, dict[str, Any]]:
    """Name -> content of the SEGs of ``predict``."""
    assert main(["predict", "--bundle", bundle, "--input", str(source), "--output", str(output), "--seg"]) == 0
    return {path.name: content(path) for path in output.glob("*_seg.dcm")}


@pytest.mark.parametrize(
    ("bundle", "datasets", "cases"),
    [
        ("racenet_left_atrium", lambda: atrium((1.25, 1.6, 1.4), TURNED), [NAME]),
        ("edpcnn_left_ventricle", lambda: heart(phases=2), [f"{NAME}_phase1", f"{NAME}_phase2"]),
        ("fcn_levelset_left_ventricle", lambda: heart(phases=1), [NAME]),
        ("pnet_birnn_pancreas", abdomen, [NAME]),
    ],
)
def test_segs_are_those_of_predict(
    deploy_python: str, tmp_path: Path, bundle: str, datasets: Any, cases: list[str]
) -> None:
    source = write(tmp_path / "in/deep", datasets()).parent
    result = deployed(deploy_python, bundle, source, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    found = {path.name: content(path) for path in (tmp_path / "out").glob("*.dcm")}
    assert sorted(found) == [f"{case}_seg.dcm" for case in cases]
    assert found == predicted(bundle, source, tmp_path / "predict")
    for name in found:
        uids = [pydicom.dcmread(tmp_path / folder / name).SOPInstanceUID for folder in ("out", "predict")]
        assert uids[0] == uids[1]
    (label,) = BUNDLES[bundle].labels
    assert label.code is not None
    assert {seg["segment"] for seg in found.values()} == {(label.name, label.code.value, "SCT")}
    report = json.loads((tmp_path / "out/run_report.json").read_text())
    assert [case["case"] for case in report["done"]] == cases
    said = (result.stdout + result.stderr + json.dumps(report)).lower()
    assert not any(secret in said for secret in SECRETS)


@pytest.mark.parametrize(
    ("bundle", "datasets"),
    [
        ("racenet_left_atrium", lambda: atrium((1.25, 1.25, 1.25), np.eye(3))),
        ("edpcnn_left_ventricle", lambda: heart(phases=1)),
        ("fcn_levelset_left_ventricle", lambda: heart(phases=1)),
        ("pnet_birnn_pancreas", abdomen),
    ],
)
def test_bundles_run_between_the_sdks_own_operators(
    deploy_python: str, tmp_path: Path, bundle: str, datasets: Any
) -> None:
    source = write(tmp_path / "in", datasets())
    result = started(
        deploy_python, Path(__file__).with_name("sdk_graph.py"), find_bundle(bundle), source, tmp_path / "out"
    )
    assert result.returncode == 0, result.stderr
    (seg,) = (tmp_path / "out").glob("*.dcm")
    assert content(seg) == predicted(bundle, source, tmp_path / "predict")[f"{NAME}_seg.dcm"]


def test_a_photograph(deploy_python: str, tmp_path: Path) -> None:
    pixels = fundus_phantom(0).image
    kind = {"SOPClassUID": OphthalmicPhotography8BitImageStorage, "Modality": "OP", "NumberOfFrames": 1}
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    places = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    elements = {**kind, **colours, **dict.fromkeys(places), "PixelData": pixels.tobytes()}
    source = write(tmp_path / "in", [slice_dataset(pixels[..., 0], **elements)])
    result = deployed(deploy_python, "racenet_optic_disc_cup", source, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    command = ["predict", "--bundle", "racenet_optic_disc_cup", "--input", str(source), "--seg"]
    assert main([*command, "--output", str(tmp_path / "predict")]) == 0
    found, expected = (pydicom.dcmread(tmp_path / folder / f"{NAME}_seg.dcm") for folder in ("out", "predict"))
    assert found.pixel_array.any(axis=(1, 2)).tolist() == [True, True]
    np.testing.assert_array_equal(found.pixel_array, expected.pixel_array)
    assert found.SOPInstanceUID == expected.SOPInstanceUID


def test_a_case_that_cannot_be_read_is_skipped(deploy_python: str, tmp_path: Path) -> None:
    broken = heart(phases=1)
    del broken[4]
    other = "1.2.826.0.1.3680043.8.498.77.999999999999"
    for k, dataset in enumerate(broken):
        dataset.SeriesInstanceUID = other
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{other}.{k}"
    write(tmp_path / "in/broken", broken)
    write(tmp_path / "in/whole", heart(phases=1))
    result = deployed(deploy_python, "edpcnn_left_ventricle", tmp_path / "in", tmp_path / "out")
    assert result.returncode == 3, result.stderr
    assert [path.name for path in (tmp_path / "out").glob("*.dcm")] == [f"{NAME}_seg.dcm"]
    (skipped,) = json.loads((tmp_path / "out/run_report.json").read_text())["skipped"]
    assert skipped["case"] == "series-999999999999"
    assert skipped["reason"].startswith("a slice is missing between")


def test_a_case_that_fails_in_the_bundle_is_skipped(deploy_python: str, tmp_path: Path) -> None:
    bundle = shutil.copytree(find_bundle("edpcnn_left_ventricle"), tmp_path / "edpcnn_left_ventricle")
    config = bundle / "configs/inference.yaml"
    config.write_text(config.read_text().replace("spatial_dims: [2, 3]", "spatial_dims: 2"))
    source = write(tmp_path / "in", heart(phases=2))
    result = deployed(deploy_python, bundle, source, tmp_path / "out")
    assert result.returncode == 2
    assert "configs/inference.yaml of bundle edpcnn_left_ventricle differs from this package's" in result.stderr
    result = deployed(deploy_python, bundle, source, tmp_path / "out", "--trust")
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    skipped = json.loads((tmp_path / "out/run_report.json").read_text())["skipped"]
    assert [case["case"] for case in skipped] == [f"{NAME}_phase1", f"{NAME}_phase2"]
    assert all(case["reason"].startswith("image must have 2 spatial axes") for case in skipped)


def test_an_input_without_a_fitting_series_is_a_sentence(deploy_python: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in", abdomen())
    reasons = {
        ("edpcnn_left_ventricle", source): f"no DICOM series fits edpcnn_left_ventricle: {NAME}: modality CT",
        ("edpcnn_left_ventricle", tmp_path / "gone"): "`--input` must be a DICOM file or folder, got",
        ("no_bundle", source): "bundle must be a directory with configs/inference.yaml or one of",
    }
    for (bundle, folder), reason in reasons.items():
        result = deployed(deploy_python, bundle, folder, tmp_path / "out")
        assert result.returncode == 2
        assert reason in result.stderr
        assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("out/*"))
