"""``predict`` on volumes and on many objects, by bundles whose masks are known exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image
from skimage.draw import polygon
from stub_bundle import box, photograph, save_photograph, save_volume, write_one_label_bundle

from monai_lsext.__main__ import main
from monai_lsext.registry import BUNDLES, BundleInfo, bundle_info

CHANNEL_DEF = {"0": "background", "1": "cavity"}
OBLIQUE = np.array([[1.2, 0.3, 0.5, -31.7], [-0.2, 1.1, 1.9, 12.1], [0.05, -0.4, 7.7, 90.3], [0, 0, 0, 1]])


def run(bundle: Path, source: Path, output: Path, *more: str) -> int:
    command = ["predict", "--bundle", str(bundle), "--input", str(source), "--output", str(output), "--trust", *more]
    return main(command)


def content(output: Path, name: str) -> dict[str, Any]:
    return json.loads((output / f"{name}.json").read_text())


def written(tmp_path: Path, form: str) -> Path:
    write_one_label_bundle(tmp_path / form, form)
    return tmp_path / form


def registered(monkeypatch: pytest.MonkeyPatch, name: str, **more: Any) -> None:
    plain = bundle_info("unlisted", CHANNEL_DEF)
    monkeypatch.setitem(BUNDLES, name, BundleInfo(**{**plain.__dict__, "name": name, **more}))


@pytest.mark.parametrize("form", ["slices", "volume"])
def test_mask_montage_and_report_of_an_oblique_volume(tmp_path: Path, form: str) -> None:
    (tmp_path / "in").mkdir()
    mask = box((40, 32, 7), (5, 25), (10, 20), (2, 5))
    given = save_volume(tmp_path / "in" / "heart.nii.gz", mask, OBLIQUE)
    given.set_qform(OBLIQUE, code=1)
    given.set_sform(OBLIQUE, code=2)
    nib.save(given, tmp_path / "in" / "heart.nii.gz")
    output = tmp_path / "out"
    assert run(written(tmp_path, form), tmp_path / "in", output) == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "heart_contours.json",
        "heart_overlay.png",
        "heart_report.json",
        "heart_seg.nii.gz",
        "run_report.json",
    ]
    found, given = (nib.nifti1.load(p) for p in (output / "heart_seg.nii.gz", tmp_path / "in" / "heart.nii.gz"))
    assert found.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(found.dataobj), mask)
    assert np.array_equal(found.affine, given.affine)
    assert np.array_equal(found.get_qform(), given.get_qform())
    assert (int(found.header["qform_code"]), int(found.header["sform_code"])) == (1, 2)
    report = content(output, "heart_report")
    assert report["image"]["num_slices"] == 7
    assert report["measurements"] == {
        "cavity_volume_voxels": 600,
        "cavity_volume_ml": pytest.approx(0.6 * np.linalg.det(OBLIQUE[:3, :3]), abs=1e-4),
        "cavity_slices": 3,
    }
    assert (report["notes"], report["warnings"], report["centre"]) == ([], [], None)


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("micron", 1e3), ("meter", 1e-3)])
def test_volume_of_a_box_in_ml(tmp_path: Path, unit: str, scale: float) -> None:
    mask = box((24, 20, 6), (2, 12), (3, 13), (1, 5))
    save_volume(tmp_path / "heart.nii.gz", mask, np.diag([2 * scale, 2.5 * scale, 10 * scale, 1]), unit)
    assert run(written(tmp_path, "slices"), tmp_path / "heart.nii.gz", tmp_path / "out") == 0
    # 400 voxels of 50 mm3
    assert content(tmp_path / "out", "heart_report")["measurements"]["cavity_volume_ml"] == pytest.approx(20, rel=1e-6)


def test_unknown_unit_gives_voxels_and_a_note(tmp_path: Path) -> None:
    save_volume(tmp_path / "heart.nii.gz", box((24, 20, 6), (2, 12), (3, 13), (1, 5)), np.diag([2, 2, 8, 1]), None)
    assert run(written(tmp_path, "slices"), tmp_path / "heart.nii.gz", tmp_path / "out") == 0
    report = content(tmp_path / "out", "heart_report")
    assert report["measurements"] == {"cavity_volume_voxels": 400, "cavity_slices": 4}
    assert report["image"]["spacing_mm"] is None
    assert report["image"]["header_spacing"] == [2, 2, 8]
    assert report["notes"] == [
        "the file's header gives no voxel size in a known unit: sizes are in pixels or voxels alone"
    ]


def test_a_volume_without_the_object_is_an_empty_mask_and_exit_0(tmp_path: Path) -> None:
    save_volume(tmp_path / "heart.nii", np.zeros((20, 18, 30), dtype=bool))
    assert run(written(tmp_path, "slices"), tmp_path / "heart.nii", tmp_path / "out") == 0
    assert not np.asanyarray(nib.nifti1.load(tmp_path / "out" / "heart_seg.nii.gz").dataobj).any()
    report = content(tmp_path / "out", "heart_report")
    assert report["warnings"] == ["no cavity was found"]
    assert (report["measurements"]["cavity_volume_ml"], report["measurements"]["cavity_slices"]) == (0, 0)


def test_two_volumes_of_a_patient_give_an_ejection_fraction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(monkeypatch, "slices", measurements=("ejection_fraction",))
    source = tmp_path / "patient003"
    source.mkdir()
    for frame, side in ((1, 10), (9, 5)):
        mask = box((24, 20, 6), (2, 2 + side), (3, 13), (1, 5))
        save_volume(source / f"patient003_frame{frame:02d}.nii.gz", mask, np.diag([2, 2.5, 10, 1]))
    (source / "Info.cfg").write_text("ED: 1\nES: 9\n")
    output = tmp_path / "out"
    assert run(written(tmp_path, "slices"), source, output) == 0
    found = content(output, "patient003_ejection_fraction")
    assert found["end_diastole"] == {"case": "patient003_frame01", "volume_voxels": 400, "volume_ml": 20.0}
    assert found["end_systole"] == {"case": "patient003_frame09", "volume_voxels": 200, "volume_ml": 10.0}
    assert (found["ejection_fraction_percent"], found["notes"], found["bundle"]["name"]) == (50.0, [], "slices")
    assert capsys.readouterr().out == "patient003: ejection fraction 50.0 %\n"
    # the same input gives the same bytes, times apart
    assert run(tmp_path / "slices", source, tmp_path / "again") == 0
    names = {path.name for path in output.iterdir()} - {"run_report.json"}
    assert len(names) == 9
    assert all((output / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_centre_is_column_and_row_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save_photograph(tmp_path / "in" / "large.png")
    save_photograph(tmp_path / "in" / "small.png", np.zeros((12, 30), dtype=np.uint8))
    bundle, output = written(tmp_path, "click"), tmp_path / "out"
    assert run(bundle, tmp_path / "in", output, "--centre", "11,30") == 3
    found = np.asarray(Image.open(output / "large_seg.png"))
    assert (found.shape, np.argwhere(found).tolist()) == ((40, 48), [[30, 11]])
    assert content(output, "large_report")["centre"] == [11, 30]
    reason = "`--centre` must lie in the image of 30 x 12 pixels, got 11,30"
    assert content(output, "run_report")["skipped"] == [{"case": "small", "reason": reason}]
    assert run(bundle, tmp_path / "in", output) == 0
    assert not np.asarray(Image.open(output / "large_seg.png")).any()


@pytest.mark.parametrize("centre", ["47.5,3", "-1,3", "3,40", "nan,3"])
def test_centre_outside_the_picture(tmp_path: Path, centre: str) -> None:
    save_photograph(tmp_path / "eye.png")
    assert run(written(tmp_path, "click"), tmp_path / "eye.png", tmp_path / "out", f"--centre={centre}") == 3
    (skipped,) = content(tmp_path / "out", "run_report")["skipped"]
    assert skipped["reason"] == f"`--centre` must lie in the image of 48 x 40 pixels, got {centre}"


def test_centre_is_first_and_second_index_in_every_slice(tmp_path: Path) -> None:
    save_volume(tmp_path / "heart.nii.gz", box((20, 30, 4), (0, 9), (0, 9), (0, 4)), OBLIQUE)
    bundle = written(tmp_path, "click_slices")
    # windows of the slice inferer are as large as the slice, so that the point is the network's
    config = (bundle / "configs/inference.yaml").read_text().replace("- 16\n  - 16\n", "- 20\n  - 30\n")
    (bundle / "configs/inference.yaml").write_text(config)
    assert run(bundle, tmp_path / "heart.nii.gz", tmp_path / "out", "--centre", "4,25") == 0
    found = np.asanyarray(nib.nifti1.load(tmp_path / "out" / "heart_seg.nii.gz").dataobj)
    assert np.argwhere(found).tolist() == [[4, 25, k] for k in range(4)]


def test_centre_needs_a_bundle_that_takes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = save_photograph(tmp_path / "eye.png")
    bundle = written(tmp_path, "nuclei")
    assert run(bundle, image, tmp_path / "out", "--centre", "3,4") == 2
    sentence = "`--centre` needs a bundle whose inference.yaml has the id centre, got nuclei"
    assert sentence in capsys.readouterr().err
    for text in ("3", "3,4,5", "a,b"):
        with pytest.raises(SystemExit, match="2"):
            run(bundle, image, tmp_path / "out", "--centre", text)
        assert f"argument --centre: must be two numbers such as 120,96, got {text}" in capsys.readouterr().err


def nuclei() -> np.ndarray:
    """Label map [H, W]: a square of 10 x 10, a ring, and two squares that meet at a corner."""
    labels = np.zeros((40, 48), dtype=np.uint8)
    labels[2:12, 3:13] = 1
    labels[20:32, 4:16] = 1
    labels[24:28, 8:12] = 0
    labels[10:14, 30:34] = 1
    labels[14:18, 34:38] = 1
    return labels


def test_objects_are_numbered_outlined_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, "nuclei", instances=True)
    Image.fromarray(photograph(nuclei())).save(tmp_path / "tissue.png")
    output = tmp_path / "out"
    assert run(written(tmp_path, "nuclei"), tmp_path / "tissue.png", output) == 0
    assert len(list(output.iterdir())) == 6
    mask, numbers = (Image.open(output / f"tissue_{name}.png") for name in ("seg", "instances"))
    assert (mask.mode, numbers.mode) == ("L", "I;16")
    np.testing.assert_array_equal(np.asarray(mask), nuclei())
    instances = np.asarray(numbers).astype(int)
    np.testing.assert_array_equal(instances > 0, nuclei() > 0)
    features = json.loads((output / "tissue_contours.geojson").read_text())["features"]
    assert sorted(feature["properties"]["area_px"] for feature in features) == [16, 16, 100, 144 - 16]
    drawn = np.zeros_like(instances)
    for feature in features:
        for ring, sign in zip(feature["geometry"]["coordinates"], (1, 0), strict=False):
            columns, rows = np.transpose(ring)
            drawn[polygon(rows, columns, drawn.shape)] = sign * feature["properties"]["instance_id"]
    np.testing.assert_array_equal(drawn, instances)
    report = content(output, "tissue_report")
    assert report["measurements"] == {"cavity_area_px": 260, "cavity_count": 4}
    assert report["warnings"] == []


def test_a_bundle_may_number_its_objects_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two channels, number and label: halves of one square stay two objects."""
    registered(monkeypatch, "nuclei", instances=True)
    bundle = written(tmp_path, "nuclei")
    config = yaml.safe_load((bundle / "configs/inference.yaml").read_text())
    halves = "$lambda x: torch.cat([x * (1 + (torch.arange(x.shape[1]) >= 8)[None, :, None]), x])"
    config["postprocessing"]["transforms"].insert(-1, {"_target_": "Lambdad", "keys": "pred", "func": halves})
    (bundle / "configs/inference.yaml").write_text(yaml.dump(config))
    labels = np.zeros((40, 48), dtype=np.uint8)
    labels[2:12, 3:13] = 1
    Image.fromarray(photograph(labels)).save(tmp_path / "tissue.png")
    assert run(bundle, tmp_path / "tissue.png", tmp_path / "out") == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "tissue_seg.png")), labels)
    labels[2:12, 8:13] = 2
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "tissue_instances.png")), labels)
    assert content(tmp_path / "out", "tissue_report")["measurements"]["cavity_count"] == 2


def test_objects_of_a_volume_are_numbered_in_nifti(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, "volume", instances=True)
    mask = box((24, 20, 6), (2, 6), (3, 7), (0, 6)) | box((24, 20, 6), (12, 16), (3, 7), (2, 3))
    save_volume(tmp_path / "cells.nii.gz", mask, OBLIQUE)
    output = tmp_path / "out"
    assert run(written(tmp_path, "volume"), tmp_path / "cells.nii.gz", output) == 0
    numbers = nib.nifti1.load(output / "cells_instances.nii.gz")
    assert numbers.get_data_dtype() == np.uint16
    assert np.bincount(np.asanyarray(numbers.dataobj).ravel()).tolist() == [mask.size - 112, 96, 16]
    assert not list(output.glob("*.geojson"))
