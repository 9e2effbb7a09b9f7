"""Bad inputs to ``predict``: each ends with a sentence and its exit status, and harms nothing beside it."""

from __future__ import annotations

import json
import resource
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from bad_inputs import GREY_MASK, PICTURES, START, VOLUMES, Bad, Place
from bad_series import MASK, SERIES, write_healthy
from dicom_files import NAME as SERIES_NAME
from matplotlib.figure import Figure
from monai.bundle.config_item import ComponentLocator
from PIL import Image
from stub_bundle import NAME, expected_labels, save_photograph, save_volume, write_one_label_bundle, write_stub_bundle

from monai_lsext.__main__ import main

TABLES = {"picture": PICTURES, "volume": VOLUMES, "start": START, "series": SERIES}
ROWS = [pytest.param(kind, row, id=row.name) for kind, rows in TABLES.items() for row in rows]
LOCATOR = ComponentLocator()
HEALTHY = {"volume": "healthy", "series": SERIES_NAME}


@pytest.fixture
def place(tmp_path: Path, kind: str) -> Place:
    """A bundle, and an input with one healthy case."""
    (tmp_path / "in").mkdir()
    (tmp_path / "folder").mkdir()
    bundle = tmp_path / ("slices" if kind in HEALTHY else NAME)
    if kind in HEALTHY:
        write_one_label_bundle(bundle, "slices")
    else:
        write_stub_bundle(bundle)
        save_photograph(tmp_path / "in" / "healthy.png")
    if kind == "volume":
        save_volume(tmp_path / "in" / "healthy.nii.gz", GREY_MASK)
    if kind == "series":
        write_healthy(tmp_path / "in")
    return Place(tmp_path / "folder", bundle, tmp_path / "in", tmp_path / "out")


def run(place: Place) -> int:
    places = {"--bundle": place.bundle, "--input": place.source, "--output": place.output}
    command = ["predict", *(str(part) for pair in places.items() for part in pair), *place.options]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if place.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (place.file_limit, limits[1]))
    try:
        return main([*command, "--trust"] if place.trust else command)
    except SystemExit as end:  # of the command line's parser
        return int(str(end.code))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def files(folder: Path) -> dict[str, bytes]:
    found = folder.rglob("*") if folder.is_dir() else [folder]
    return {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in found if path.is_file()}


def mask_of_healthy(output: Path, kind: str) -> np.ndarray:
    if kind in HEALTHY:
        return np.asanyarray(nib.nifti1.load(output / f"{HEALTHY[kind]}_seg.nii.gz").dataobj)
    return np.asarray(Image.open(output / "healthy_seg.png"))


def reports_of_whole_cases(output: Path, new: set[str]) -> dict[str, dict[str, Any]]:
    """Reports by case; there are no other new files than theirs, and none is missing."""
    reports = {}
    expected = {"run_report.json"}
    for path in output.glob("*_report.json"):
        if path.name == "run_report.json":
            continue
        report = json.loads(path.read_text())
        reports[report["case"]] = report
        expected |= {path.name, *report["files"]}
    assert {name.split("/", 1)[1] for name in new} == expected
    return reports


@pytest.mark.parametrize(("kind", "row"), ROWS)
def test_bad_input(
    kind: str, row: Bad, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row.spoil(place)
    scratch = place.folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    # looking for MONAI's classes takes half of what is left
    monkeypatch.setattr("monai.bundle.config_parser.ComponentLocator", lambda excludes: LOCATOR)
    if not row.drawn:
        for name in ("montage_figure", "overlay_figure"):
            monkeypatch.setattr(f"monai_lsext.apps.predict.{name}", lambda *_: Figure(figsize=(1, 1)))
    given, before = files(place.source), files(place.output)
    status = run(place)
    out, err = capsys.readouterr()
    assert status == row.status, err
    assert "Traceback" not in err
    assert not list(scratch.iterdir())
    assert not (place.folder / "stolen").exists()
    assert given.items() <= files(place.source).items()
    assert before.items() <= files(place.output).items()
    new = set(files(place.output)) - set(before)
    if status == 2:
        assert not new
        message = err.splitlines()[-1]
        assert message.startswith("monai_lsext predict: ")
        assert row.text in message
        return
    reports = reports_of_whole_cases(place.output, new)
    ended = json.loads((place.output / "run_report.json").read_text())
    assert ended["exit_status"] == status
    assert {case["case"] for case in ended["done"]} == set(reports)
    healthy = HEALTHY.get(kind, "healthy")
    if status == 3:
        assert not {case["case"] for case in ended["skipped"]} & set(reports)
        assert any(row.text in case["reason"] for case in ended["skipped"]), ended["skipped"]
        assert all(f"skipped {case['case']}: {case['reason']}" in err for case in ended["skipped"])
    else:
        assert not ended["skipped"]
        said = [text for case, report in reports.items() if case != healthy for text in said_of(report)]
        assert any(row.text in text for text in [*said, *out.splitlines()]), said
    assert (healthy in reports) == row.healthy
    if row.healthy:
        expected = {"volume": GREY_MASK, "series": MASK}.get(kind, expected_labels())
        np.testing.assert_array_equal(mask_of_healthy(place.output, kind), expected)


def said_of(report: dict[str, Any]) -> list[str]:
    return [*report["warnings"], *report["notes"], report["case"]]


def test_the_table_is_long_and_names_each_row_once() -> None:
    names = [row.name for rows in TABLES.values() for row in rows]
    assert len(names) == len(set(names)) >= 40
