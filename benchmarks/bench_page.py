"""``docs/benchmarks.md`` and its pictures, from the stored results alone."""

from __future__ import annotations

import ast
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.stored import RESULTS, Row, benchmark_of, read_result, row_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
HEAD = """# Benchmarks

Times are medians with the interquartile range, in milliseconds, warm, on the machine that each table names. This page
and its pictures are written by `make bench`; nobody writes in it by hand.

```bash
make bench                              # all: measured, kept in benchmarks/results, drawn
python -m benchmarks rls                # one of them
python -m benchmarks --compare          # measured and compared: exit 1 if anything is over 10 % slower than stored
```

`--compare` wants results of the same machine, and measures a second time what seems slower: both times count.
"""


def page(folder: Path = RESULTS) -> str:
    """The text of the page."""
    parts = [HEAD]
    for path in sorted(folder.glob("*.json")):
        found = read_result(path)
        environment = found["environment"]
        machine = f"{environment['gpu'] or environment['processor']}, {environment['cores']} cores"
        versions = f"torch {environment['torch']}, MONAI {environment['monai']}, Python {environment['python']}"
        parts.append(f"## {path.stem}\n\n{_what(benchmark_of(path))}\n\n*{machine}; {versions}.*\n")
        parts.append(f"![Median times of {path.stem}](images/bench_{path.stem}.png)\n")
        parts.append("\n".join(_table(found["rows"])) + "\n")
    return "\n".join(parts)


def _what(name: str) -> str:
    """First paragraph of the benchmark's docstring."""
    module = Path(__file__).with_name(f"bench_{name}.py")
    return (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").split("\n\n")[0].replace("\n", " ")


def _table(rows: list[Row]) -> list[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, ["---"] * len(columns), *[[_text(row.get(column, "")) for column in columns] for row in rows]]
    return ["| " + " | ".join(line) + " |" for line in cells]


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def draw(rows: list[Row], path: Path) -> None:
    """A bar for each row, as long as its median time on a logarithmic axis, with the interquartile range."""
    figure = Figure(figsize=(8, 0.8 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    names = [row_name(row) for row in rows]
    first = [name.split(", ")[0] for name in names]
    colours = {name: f"C{index % 10}" for index, name in enumerate(dict.fromkeys(first))}
    axes.barh(
        range(len(rows)),
        [row["median_ms"] for row in rows],
        xerr=[row["iqr_ms"] / 2 for row in rows],
        color=[colours[name] for name in first],
        error_kw={"elinewidth": 1, "ecolor": "black"},
    )
    axes.set_yticks(range(len(rows)), names, fontsize="small")
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ms, median and interquartile range")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=100)


def write_page(folder: Path = RESULTS) -> None:
    """Page and pictures."""
    for path in sorted(folder.glob("*.json")):
        draw(read_result(path)["rows"], IMAGES / f"bench_{path.stem}.png")
    PAGE.write_text(page(folder), encoding="utf-8")
