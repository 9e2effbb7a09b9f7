"""Ejection fractions worked by hand, from reports and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_lsext.apps.ejection_fraction import ejection_fractions
from monai_lsext.registry import bundle_info

INFO = bundle_info("mine", {"0": "background", "1": "cavity"})
BY_SIZE = "the names do not tell the phases: the larger cavity is taken for end diastole"
IN_VOXELS = "no unit of length is known: the ejection fraction is the ratio of volumes in voxels"


def report(case: str, voxels: int, voxel_mm3: float | None = 12.5, spacing: tuple = (1.25, 1, 10)) -> dict[str, Any]:
    measurements = {"cavity_volume_voxels": voxels}
    if voxel_mm3 is not None:
        measurements["cavity_volume_ml"] = voxels * voxel_mm3 / 1000
    return {"case": case, "measurements": measurements, "image": {"header_spacing": spacing}}


def test_names_tell_the_phases(tmp_path: Path) -> None:
    reports = [report("SC1_ES_img", 4000), report("SC1_ED_img", 10000), report("SC1_ED_lab", 99), report("SC2_ED", 7)]
    assert ejection_fractions(reports, INFO, tmp_path) == {
        "SC1": {
            "patient": "SC1",
            "end_diastole": {"case": "SC1_ED_img", "volume_voxels": 10000, "volume_ml": 125.0},
            "end_systole": {"case": "SC1_ES_img", "volume_voxels": 4000, "volume_ml": 50.0},
            "ejection_fraction_percent": 60.0,
            "notes": [],
        }
    }


@pytest.mark.parametrize(
    ("info_cfg", "diastole", "notes"),
    [
        (None, "patient007_frame09", [BY_SIZE]),
        (
            "ED: 1\nES: 9\nGroup: NOR\n",
            "patient007_frame01",
            ["the cavity is larger in end systole than in end diastole"],
        ),
        ("ED: 9\nES: 1\n", "patient007_frame09", []),
    ],
)
def test_frames_by_info_cfg_or_by_size(tmp_path: Path, info_cfg: str | None, diastole: str, notes: list[str]) -> None:
    if info_cfg is not None:
        (tmp_path / "Info.cfg").write_text(info_cfg)
    reports = [report("patient007_frame01", 300), report("patient007_frame09", 400)]
    found = ejection_fractions(reports, INFO, tmp_path)["patient007"]
    assert (found["end_diastole"]["case"], found["notes"]) == (diastole, notes)
    assert found["ejection_fraction_percent"] == (25.0 if diastole.endswith("09") else -33.33)


def test_info_cfg_of_one_patient_does_not_speak_for_two(tmp_path: Path) -> None:
    (tmp_path / "Info.cfg").write_text("ED: 9\nES: 1\n")
    cases = {"patient007_frame01": 400, "patient007_frame09": 300, "patient008_frame01": 500, "patient008_frame09": 200}
    found = ejection_fractions([report(case, voxels) for case, voxels in cases.items()], INFO, tmp_path)
    assert [one["ejection_fraction_percent"] for one in found.values()] == [25.0, 60.0]


def test_largest_and_smallest_of_a_cine(tmp_path: Path) -> None:
    reports = [report(f"p_frame{i:02d}", voxels) for i, voxels in enumerate((50, 80, 40, 20, 45))]
    found = ejection_fractions(reports, INFO, tmp_path)["p"]
    assert (found["end_diastole"]["case"], found["end_systole"]["case"]) == ("p_frame01", "p_frame03")
    assert found["ejection_fraction_percent"] == 75.0


def test_without_unit_the_ratio_of_voxels_holds_for_equal_voxels(tmp_path: Path) -> None:
    reports = [report("a_ED", 200, None), report("a_ES", 90, None)]
    found = ejection_fractions(reports, INFO, tmp_path)["a"]
    assert found["end_diastole"] == {"case": "a_ED", "volume_voxels": 200, "volume_ml": None}
    assert (found["ejection_fraction_percent"], found["notes"]) == (55.0, [IN_VOXELS])
    reports[1]["image"]["header_spacing"] = (1.25, 1, 8)
    found = ejection_fractions(reports, INFO, tmp_path)["a"]
    assert found["ejection_fraction_percent"] is None
    assert found["notes"] == [
        "no unit of length is known and the voxels differ in size: the volumes cannot be compared"
    ]


def test_in_ml_voxels_may_differ(tmp_path: Path) -> None:
    reports = [report("a_ED", 200, 10.0), report("a_ES", 200, 4.0, (1, 1, 4))]
    assert ejection_fractions(reports, INFO, tmp_path)["a"]["ejection_fraction_percent"] == 60.0


@pytest.mark.parametrize(("ed", "es", "fraction"), [(0, 0, None), (0, 5, None), (100, 0, 100.0)])
def test_nothing_found(tmp_path: Path, ed: int, es: int, fraction: float | None) -> None:
    found = ejection_fractions([report("a_ED", ed), report("a_ES", es)], INFO, tmp_path)["a"]
    assert found["ejection_fraction_percent"] == fraction
    assert found["notes"] == ["no cavity was found in at least one of the phases"]


def test_pictures_and_other_names_are_passed_over(tmp_path: Path) -> None:
    flat = {"case": "b_ES", "measurements": {"cavity_area_px": 3}, "image": {"header_spacing": None}}
    reports = [report("b_ED", 5), flat, report("c", 4), report("c_frame01_gt", 3), report("c_frame02_gt", 3)]
    assert ejection_fractions(reports, INFO, tmp_path) == {}
