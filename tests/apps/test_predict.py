"""``predict`` from files to files, on a bundle whose masks are known exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from stub_bundle import NAME, expected_labels, photograph, save_photograph, write_stub_bundle

from monai_lsext.__main__ import main


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def run(bundle: Path, source: Path, output: Path, *more: str) -> int:
    command = ["predict", "--bundle", str(bundle), "--input", str(source), "--output", str(output), "--trust", *more]
    return main(command)


def report(output: Path, name: str) -> dict[str, Any]:
    return json.loads((output / f"{name}.json").read_text())


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_mask_overlay_and_report_of_a_photograph(tmp_path: Path, bundle: Path, photographs: Path, suffix: str) -> None:
    source = save_photograph(photographs / f"eye{suffix}")
    output = tmp_path / "new" / "out"
    assert run(bundle, source, output) == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "eye_contours.geojson",
        "eye_overlay.png",
        "eye_report.json",
        "eye_seg.png",
        "run_report.json",
    ]
    mask = Image.open(output / "eye_seg.png")
    assert mask.mode == "L"
    np.testing.assert_array_equal(np.asarray(mask), expected_labels())
    assert Image.open(output / "eye_overlay.png").size[0] == 900
    content = report(output, "eye_report")
    # disc: rows 6 .. 29, cup: rows 12 .. 17
    assert content["measurements"] == {
        "vertical_cup_to_disc_ratio": 0.25,
        "disc_area_px": 480,
        "cup_area_px": 60,
    }
    digest = write_stub_bundle(tmp_path / "again")
    assert content["bundle"] == {"name": NAME, "version": "0.1.0", "weights_sha256": digest}
    assert content["image"] == {"width_px": 48, "height_px": 40, "header_spacing": None, "spacing_mm": None}
    assert content["notes"] == []
    assert content["warnings"] == []
    assert content["software"]["torch"] == torch.__version__
    assert str(tmp_path) not in json.dumps(content)
    run_report = report(output, "run_report")
    assert [case["case"] for case in run_report["done"]] == ["eye"]
    assert (run_report["skipped"], run_report["exit_status"], run_report["bundle"]) == ([], 0, NAME)


def test_nifti_keeps_affine_and_measures_in_mm2(tmp_path: Path, bundle: Path, photographs: Path) -> None:
    affine = np.diag([0.02, 0.03, 1.0, 1.0])
    for name, pixels in {
        "flat": photograph(expected_labels()),
        "deep": photograph(expected_labels())[:, :, None],
    }.items():
        image = nib.Nifti1Image(np.swapaxes(pixels, 0, 1), affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, photographs / f"{name}.nii.gz")
    output = tmp_path / "out"
    assert run(bundle, photographs, output) == 0
    for name in ("flat", "deep"):
        mask = nib.nifti1.load(output / f"{name}_seg.nii.gz")
        assert mask.shape == (48, 40, 1)
        np.testing.assert_array_equal(np.asanyarray(mask.dataobj)[..., 0].T, expected_labels())
        np.testing.assert_allclose(mask.affine, affine, rtol=1e-6)
        content = report(output, f"{name}_report")
        assert content["image"]["spacing_mm"] == pytest.approx([0.02, 0.03])
        assert content["measurements"]["disc_area_mm2"] == pytest.approx(480 * 0.0006)
        assert content["measurements"]["cup_area_mm2"] == pytest.approx(60 * 0.0006)


def test_opaque_alpha_is_noted_and_exits_0(tmp_path: Path, bundle: Path, photographs: Path) -> None:
    save_photograph(photographs / "eye.png", mode="RGBA")
    output = tmp_path / "out"
    assert run(bundle, photographs, output) == 0
    assert report(output, "eye_report")["notes"] == ["fully opaque alpha channel dropped"]
    np.testing.assert_array_equal(np.asarray(Image.open(output / "eye_seg.png")), expected_labels())


def test_bad_cases_are_skipped_and_named_the_rest_is_written(
    tmp_path: Path, bundle: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_photograph(photographs / "a.png")
    (photographs / "b.png").write_text("not an image")
    save_photograph(photographs / "c.png", mode="L")
    save_photograph(photographs / "d.jpg", np.zeros((40, 48), dtype=np.uint8))
    output = tmp_path / "out"
    assert run(bundle, photographs, output) == 3
    content = report(output, "run_report")
    assert [case["case"] for case in content["done"]] == ["a", "d"]
    assert content["exit_status"] == 3
    assert content["skipped"] == [
        {"case": "b", "reason": "b.png: expected a PNG, JPEG or TIFF image, found something else"},
        {"case": "c", "reason": "c.png: expected 8-bit RGB, found a grey image"},
    ]
    assert "skipped b: b.png: expected" in capsys.readouterr().err
    assert {path.name for path in output.glob("*_seg.png")} == {"a_seg.png", "d_seg.png"}
    assert not list(output.glob(".*"))
    empty = report(output, "d_report")
    assert empty["measurements"]["vertical_cup_to_disc_ratio"] is None
    assert empty["warnings"] == ["no optic disc was found", "no optic cup was found"]
    assert content["done"][1]["warnings"] == empty["warnings"]


def test_failure_while_writing_leaves_no_part_of_a_case(
    tmp_path: Path, bundle: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(figure: object) -> bytes:
        raise MemoryError("no space")

    monkeypatch.setattr("monai_lsext.apps.predict.overlay_png", fail)
    save_photograph(photographs / "a.png")
    output = tmp_path / "out"
    assert run(bundle, photographs, output) == 3
    assert [path.name for path in output.iterdir()] == ["run_report.json"]
    assert report(output, "run_report")["skipped"] == [{"case": "a", "reason": "MemoryError: no space"}]


def test_a_full_disk_leaves_no_part_of_a_case(
    tmp_path: Path, bundle: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: bytes) -> int:
        if path.name.endswith("_overlay.png"):
            raise OSError(28, "No space left on device")
        with open(path, "wb") as file:
            return file.write(content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    save_photograph(photographs / "a.png")
    output = tmp_path / "out"
    assert run(bundle, photographs, output) == 3
    assert [path.name for path in output.iterdir()] == ["run_report.json"]
    reason = "OSError: [Errno 28] No space left on device"
    assert report(output, "run_report")["skipped"] == [{"case": "a", "reason": reason}]


def test_no_input_is_overwritten(tmp_path: Path, bundle: Path, photographs: Path) -> None:
    save_photograph(photographs / "a.png")
    save_photograph(photographs / "a_seg.png")
    before = (photographs / "a_seg.png").read_bytes()
    assert run(bundle, photographs, photographs) == 3
    assert (photographs / "a_seg.png").read_bytes() == before
    reason = "a_seg.png would replace an input of this name; choose another output folder"
    assert report(photographs, "run_report")["skipped"] == [{"case": "a", "reason": reason}]


def test_unusable_arguments_exit_2_with_a_sentence(
    tmp_path: Path, bundle: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = save_photograph(tmp_path / "eye.png")
    output = tmp_path / "out"
    (tmp_path / "file").touch()
    (tmp_path / "half" / "configs").mkdir(parents=True)
    for name in ("inference.yaml", "metadata.json"):
        (tmp_path / "half" / "configs" / name).write_bytes((bundle / "configs" / name).read_bytes())
    shutil.copytree(bundle, tmp_path / "broken")
    (tmp_path / "broken" / "configs" / "metadata.json").write_text("[]")
    shutil.copytree(bundle, tmp_path / "misfit")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "misfit" / "models" / "model.pt")
    cases = [
        ((tmp_path / "none", good, output), "bundle must be a directory with configs/inference.yaml or one of"),
        ((bundle, tmp_path / "none.png", output), "input must be an existing file or folder, got"),
        ((bundle, photographs, output), "input folder must hold PNG, JPEG, TIFF or NIfTI files, found none in"),
        ((bundle, good, tmp_path / "file"), "output must be a folder that can be written to, got"),
        ((bundle, good, output, "--roi", "find"), "`--roi` needs a bundle whose inference.yaml has the id roi"),
        ((bundle, good, output, "--device", "cuda:77"), "`--device` must be a device of this machine, got cuda:77"),
        ((bundle, save_photograph(tmp_path / "Run.png"), output), "report must not be run_report.json; rename Run.png"),
        ((tmp_path / "broken", good, output), "configs/metadata.json must hold a dictionary, got list"),
        ((tmp_path / "misfit", good, output), "models/model.pt does not fit network_def of inference.yaml"),
        ((bundle, good, output, "--weights", str(tmp_path / "no.pt")), "must have its weights in"),
        ((tmp_path / "half", good, output), "bundle half must have its weights in models/model.pt, found none"),
    ]
    for arguments, text in cases:
        assert run(*arguments) == 2, text
        assert text in capsys.readouterr().err


def test_weights_of_ones_own_training(tmp_path: Path, bundle: Path) -> None:
    good = save_photograph(tmp_path / "eye.png")
    weights = torch.load(bundle / "models" / "model.pt")
    torch.save({**weights, "bias": torch.full((2,), -100.0)}, tmp_path / "blind.pt")
    assert run(bundle, good, tmp_path / "out", "--weights", str(tmp_path / "blind.pt")) == 0
    assert not np.asarray(Image.open(tmp_path / "out" / "eye_seg.png")).any()
    assert run(bundle, good, tmp_path / "out") == 0  # other weights: done anew
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "eye_seg.png")), expected_labels())


def test_a_bundle_from_elsewhere_needs_trust(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = save_photograph(tmp_path / "eye.png")
    command = ["predict", "--bundle", str(bundle), "--input", str(good), "--output", str(tmp_path / "out")]
    assert main(command) == 2
    assert "add --trust" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
