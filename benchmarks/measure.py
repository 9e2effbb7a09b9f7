"""A benchmark in a fresh process, and its times beside the stored ones."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.stored import RESULTS, benchmark_of, other_machine, read_result, slower, write_result


def measure(module: str, folder: Path) -> list[Path]:
    """Run ``measured()`` of a module in a fresh process, whose memory nothing has touched; the files that it wrote.

    Raises:
        SystemExit: when it fails; its own message stands above.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        process = multiprocessing.get_context("spawn").Process(target=_measure, args=(module, temporary))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{module} failed")
        return [path.replace(folder / path.name) for path in sorted(Path(temporary).glob("*.json"))]


def _measure(module: str, folder: str) -> None:
    from benchmarks.common import environment

    for title, rows in import_module(module).measured().items():
        write_result(Path(folder) / f"{title}.json", environment(), rows)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        for line in [columns, *[[str(row.get(column, "")) for column in columns] for row in rows]]:
            print(" | ".join(f"{cell:>22}" for cell in line), flush=True)


def refuse_other_machine(names: list[str]) -> None:
    """Nothing is compared with times of another machine."""
    from benchmarks.common import environment

    kept = [path for path in sorted(RESULTS.glob("*.json")) if benchmark_of(path) in names]
    if missing := set(names) - {benchmark_of(path) for path in kept}:
        sys.exit(f"nothing is stored of {sorted(missing)[0]}: run `python -m benchmarks {sorted(missing)[0]}` first")
    for path in kept:
        if differ := other_machine(read_result(path)["environment"], environment()):
            known = f"{path.name} is of another machine ({differ})"
            sys.exit(f"{known}: run `python -m benchmarks {benchmark_of(path)}` here first")


def compare(name: str, folder: Path) -> list[str]:
    """What is slower than stored, a line each; what seems so is measured a second time, and must be so twice."""
    first = _slower_rows(name, folder)
    if not first:
        return []
    second = _slower_rows(name, folder)
    return [f"{row}: {100 * (second[row] - 1):.0f} % slower than stored" for row in first if row in second]


def _slower_rows(name: str, folder: Path) -> dict[str, float]:
    found = {}
    for path in measure(f"benchmarks.bench_{name}", folder):
        ratios = slower(read_result(RESULTS / path.name)["rows"], read_result(path)["rows"])
        found |= {f"{path.stem}, {row}": ratio for row, ratio in ratios.items()}
    return found
