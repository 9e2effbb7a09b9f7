"""What the benchmarks measured: one file each in ``results``, with the machine, and how two of them compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_lsext.atomic import replace_when_done

RESULTS = Path(__file__).parent / "results"
ROW_NAMES = ("network", "method", "program", "part", "size", "input", "batch")
MACHINE = ("processor", "cores", "gpu")
TOLERANCE = 1.10  # the least ratio of times that counts as slower

Row = dict[str, Any]


def row_name(row: Row) -> str:
    """What is timed in a row: ``RLS conv, 64x64, 1``, and the device if it is not the CPU."""
    names = [str(value) for key, value in row.items() if key in ROW_NAMES]
    return ", ".join([*names, *([row["device"]] if row.get("device", "cpu") != "cpu" else [])])


def write_result(path: Path, environment: dict[str, Any], rows: list[Row]) -> None:
    """All or nothing."""
    with replace_when_done(path) as temporary:
        temporary.write_text(json.dumps({"environment": environment, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def read_result(path: Path) -> dict[str, Any]:
    """Of one file: the environment and the rows."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def benchmark_of(path: Path) -> str:
    """Which benchmark wrote the file: ``racenet_3d`` is a part of ``racenet``."""
    return path.stem.removesuffix("_3d")


def other_machine(stored: dict[str, Any], fresh: dict[str, Any]) -> str:
    """In what the machines of two environments differ, empty where they are alike."""
    differ = [name for name in MACHINE if stored.get(name) != fresh.get(name)]
    return ", ".join(f"{name} {stored.get(name)} there, {fresh.get(name)} here" for name in differ)


def slower(stored: list[Row], fresh: list[Row]) -> dict[str, float]:
    """Row -> ratio of the median times, fresh over stored, where it is above the tolerance."""
    before = {row_name(row): row["median_ms"] for row in stored}
    ratios = {row_name(row): row["median_ms"] / before[row_name(row)] for row in fresh if row_name(row) in before}
    return {name: ratio for name, ratio in ratios.items() if ratio > TOLERANCE}
