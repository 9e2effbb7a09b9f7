"""Cohorts: what was done stays, what changed is done again, several processes give what one gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_bundle import expected_labels, save_photograph

from monai_lsext.apps import predict as predict_module
from monai_lsext.apps.cohort import Workers, earlier_report, fingerprint
from monai_lsext.gathered import gathered


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(5):
        save_photograph(tmp_path / "in" / f"eye{number}.png")
    (tmp_path / "in" / "eye2.png").write_text("no picture")
    return tmp_path / "in"


def content(folder: Path) -> dict[str, Any]:
    """Files by name, without times."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        found[path.name] = path.read_bytes()
    run = json.loads(found.pop("run_report.json"))
    run.pop("seconds")
    for case in run["done"]:
        case.pop("seconds")
    return {**found, "run": run}


def test_fingerprint_follows_content_order_and_options(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "2"), ("c", "1")):
        (tmp_path / name).write_text(text)
    a, b, c = (tmp_path / name for name in "abc")
    same = fingerprint([a, b], roi="auto")
    assert same == fingerprint([c, b], roi="auto")
    assert (
        len({same, fingerprint([b, a], roi="auto"), fingerprint([a, b], roi="none"), fingerprint([a], roi="auto")}) == 4
    )


def test_earlier_report_needs_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "x_seg.png").write_text("mask")
    (tmp_path / "x_report.json").write_text(json.dumps({"made_from": "f", "files": ["x_seg.png"]}))
    report = earlier_report(tmp_path, "x", "f")
    assert report is not None
    assert report["files"] == ["x_seg.png"]
    assert earlier_report(tmp_path, "x", "other") is None
    assert earlier_report(tmp_path, "y", "f") is None
    (tmp_path / "x_seg.png").unlink()
    assert earlier_report(tmp_path, "x", "f") is None
    (tmp_path / "x_report.json").write_text("[1")
    assert earlier_report(tmp_path, "x", "f") is None


def test_shares_are_all_of_it_once() -> None:
    items = list(range(11))
    shares = [Workers(rank, 3).share(items) for rank in range(3)]
    assert shares[1] == [1, 4, 7, 10]
    assert sorted(item for share in shares for item in share) == items
    assert Workers().share(items) == items
    assert gathered("mine") == ["mine"]


def test_a_second_start_does_what_is_missing_or_changed(
    tmp_path: Path, bundle: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_on = []
    work = predict_module._predict_case

    def counted(job: Any, item: dict[str, str], *more: Any) -> Any:
        worked_on.append(item["case"])
        return work(job, item, *more)

    monkeypatch.setattr(predict_module, "_predict_case", counted)

    def start(**options: Any) -> list[str]:
        worked_on.clear()
        assert predict_module.predict(str(bundle), str(photographs), str(tmp_path / "out"), trust=True, **options) == 3
        return list(worked_on)

    assert start() == ["eye0", "eye1", "eye2", "eye3", "eye4"]
    first = content(tmp_path / "out")
    assert start() == ["eye2"]  # broken: tried again
    assert content(tmp_path / "out") == first
    (tmp_path / "out" / "eye3_overlay.png").unlink()
    photographs.joinpath("eye4.png").unlink()
    save_photograph(photographs / "eye4.png", 0 * expected_labels())
    assert start() == ["eye2", "eye3", "eye4"]
    assert content(tmp_path / "out")["eye3_overlay.png"] == first["eye3_overlay.png"]
    assert content(tmp_path / "out")["eye4_seg.png"] != first["eye4_seg.png"]
    with open(bundle / "configs" / "inference.yaml", "a", encoding="utf-8") as config:
        config.write("# changed\n")
    assert len(start()) == 5


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(bundle: Path, source: Path, output: Path, processes: int = 1) -> list[str]:
    arguments = ["predict", "--bundle", str(bundle), "--input", str(source), "--output", str(output), "--trust"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return [sys.executable, *(torchrun if processes > 1 else []), "-m", "monai_lsext", *arguments]


def test_two_processes_give_what_one_gives(tmp_path: Path, bundle: Path, photographs: Path) -> None:
    one = command(bundle, photographs, tmp_path / "one")
    two = command(bundle, photographs, tmp_path / "two", processes=2)
    assert subprocess.run(one, env=ONE_THREAD, capture_output=True, timeout=300).returncode == 3
    done = subprocess.run(two, env=ONE_THREAD, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert content(tmp_path / "one") == content(tmp_path / "two")
    run = content(tmp_path / "two")["run"]
    assert run["exit_status"] == 3
    assert [case["case"] for case in run["skipped"]] == ["eye2"]


@pytest.mark.slow
def test_a_cohort_of_200_with_20_broken_ones(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(200):
        path = save_photograph(tmp_path / "in" / f"eye{number:03d}.png")
        if number % 10 == 7:
            path.write_bytes(path.read_bytes()[:60])
    one = command(bundle, tmp_path / "in", tmp_path / "one")
    two = command(bundle, tmp_path / "in", tmp_path / "two", processes=2)
    assert subprocess.run(one, env=ONE_THREAD, capture_output=True, timeout=900).returncode == 3
    assert subprocess.run(two, env=ONE_THREAD, capture_output=True, timeout=900).returncode == 0
    first = content(tmp_path / "one")
    assert first == content(tmp_path / "two")
    assert [case["case"] for case in first["run"]["skipped"]] == [f"eye{number:03d}" for number in range(7, 200, 10)]
    assert len(first["run"]["done"]) == 180
    assert len(first) == 180 * 4 + 1


@pytest.mark.slow
def test_killed_20_times_it_ends_as_if_undisturbed(tmp_path: Path, bundle: Path, photographs: Path) -> None:
    """Some are killed while it starts, some in the midst of a case; every output that is there is whole."""
    for number in range(5, 40):
        save_photograph(photographs / f"eye{number}.png")
    undisturbed = command(bundle, photographs, tmp_path / "undisturbed")
    assert subprocess.run(undisturbed, env=ONE_THREAD, capture_output=True, timeout=300).returncode == 3
    wanted, disturbed = content(tmp_path / "undisturbed"), tmp_path / "disturbed"
    rng, grown = np.random.default_rng(0), []
    for _ in range(20):
        process = subprocess.Popen(command(bundle, photographs, disturbed), env=ONE_THREAD)
        already = len(list(disturbed.glob("eye*.json"))) if disturbed.exists() else 0
        deadline = time.monotonic() + 60
        # at a random moment after its first new case, so that twenty starts do not end in the imports
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(disturbed.glob("eye*.json"))) > already:
                break
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.2)))
        process.kill()
        process.wait()
        grown.append(len(list(disturbed.glob("eye*.json"))))
        for path in disturbed.glob("eye*"):
            assert path.read_bytes() == wanted[path.name], path.name
    assert grown == sorted(grown)
    assert grown[0] < 39
    final = command(bundle, photographs, disturbed)
    assert subprocess.run(final, env=ONE_THREAD, capture_output=True, timeout=300).returncode == 3
    assert content(disturbed) == wanted
