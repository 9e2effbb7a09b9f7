"""Stored times of the benchmarks: named rows, comparison on one machine, the page and its pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import measure as command
from benchmarks.__main__ import NAMES
from benchmarks.bench_page import PAGE, draw, page
from benchmarks.stored import RESULTS, other_machine, read_result, row_name, slower, write_result

MACHINE = {"processor": "P", "cores": 2, "gpu": None, "torch": "2", "monai": "1", "python": "3"}


def rows(**times: float) -> list[dict[str, Any]]:
    return [{"method": name, "batch": 1, "device": "cpu", "median_ms": ms, "iqr_ms": 0.5} for name, ms in times.items()]


def test_rows_are_named_by_what_is_timed() -> None:
    row = {"network": "N", "device": "cpu", "size": "8x8", "parameters": 3, "median_ms": 1.0}
    assert row_name(row) == "N, 8x8"
    assert row_name({**row, "device": "cuda"}) == "N, 8x8, cuda"


def test_more_than_ten_per_cent_is_slower() -> None:
    stored, fresh = rows(a=10, b=10, c=10, gone=1), rows(a=10.9, b=11.1, c=5, new=99)
    assert slower(stored, fresh) == {"b, 1": pytest.approx(1.11)}


def test_machines_differ_by_processor_cores_and_gpu_not_by_versions() -> None:
    assert other_machine(MACHINE, {**MACHINE, "torch": "3"}) == ""
    assert other_machine(MACHINE, {**MACHINE, "cores": 8}) == "cores 2 there, 8 here"


def comparison(
    monkeypatch: pytest.MonkeyPatch, folder: Path, stored: list[dict[str, Any]], attempts: list[list[dict[str, Any]]]
) -> list[str]:
    monkeypatch.setattr(command, "RESULTS", folder)
    write_result(folder / "rls.json", MACHINE, stored)
    left = iter(attempts)

    def measure(name: str, target: Path) -> list[Path]:
        write_result(target / "fresh" / "rls.json", MACHINE, next(left))
        return [target / "fresh" / "rls.json"]

    (folder / "fresh").mkdir()
    monkeypatch.setattr(command, "measure", measure)
    return command.compare("rls", folder)


def test_what_is_slow_twice_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attempts = [rows(a=13, b=20), rows(a=12, b=10)]
    assert comparison(monkeypatch, tmp_path, rows(a=10, b=10), attempts) == ["rls, a, 1: 20 % slower than stored"]
    assert read_result(tmp_path / "rls.json")["rows"] == rows(a=10, b=10)  # what is stored stays


def test_what_is_fast_enough_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert comparison(monkeypatch, tmp_path, rows(a=10), [rows(a=10.5)]) == []


def test_times_of_another_machine_are_not_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    with pytest.raises(SystemExit, match="nothing is stored of rls: run `python -m benchmarks rls` first"):
        command.refuse_other_machine(["rls"])
    write_result(tmp_path / "rls.json", {**MACHINE, "processor": "no such processor"}, rows(a=1))
    with pytest.raises(SystemExit, match=r"rls\.json is of another machine \(processor no such processor there"):
        command.refuse_other_machine(["rls"])


def test_a_benchmark_runs_in_a_fresh_process_and_leaves_whole_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toy = 'import os\nmeasured = lambda: {"toy": [{"method": "m", "process": os.getpid(), "median_ms": 1.0}]}\n'
    (tmp_path / "toy_bench.py").write_text(toy, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "results").mkdir()
    assert command.measure("toy_bench", tmp_path / "results") == [tmp_path / "results" / "toy.json"]
    found = read_result(tmp_path / "results" / "toy.json")
    assert found["rows"][0]["process"] != os.getpid()
    assert found["environment"]["cores"] >= 1
    with pytest.raises(SystemExit, match="no_such_bench failed"):
        command.measure("no_such_bench", tmp_path / "results")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["toy.json"]


def test_every_stored_result_has_median_range_versions_and_cores() -> None:
    assert {path.stem.removesuffix("_3d") for path in RESULTS.glob("*.json")} == set(NAMES)
    for path in RESULTS.glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        assert {"torch", "monai", "python", "processor", "cores", "gpu"} <= found["environment"].keys()
        names = [row_name(row) for row in found["rows"]]
        assert len(set(names)) == len(names), path
        assert all(row["median_ms"] > 0 and row["iqr_ms"] >= 0 for row in found["rows"])


def test_the_page_says_what_is_stored() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_bar_for_each_row(tmp_path: Path) -> None:
    sizes = []
    for count in (2, 12):
        draw(rows(**{f"m{index}": 10.0**index for index in range(count)}), tmp_path / "bars.png")
        with Image.open(tmp_path / "bars.png") as picture:
            sizes.append(picture.size)
    assert sizes[1][1] - sizes[0][1] == 260  # 26 pixels for each
