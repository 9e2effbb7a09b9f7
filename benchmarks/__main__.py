"""``python -m benchmarks``: measure times and memory, write ``results``, the page of the docs and its pictures.

python -m benchmarks [NAME ...]            measure, keep the results, draw
python -m benchmarks --compare [NAME ...]  measure, keep nothing; exit 1 if anything is over 10 % slower than stored
python -m benchmarks --page                draw from what is stored
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

from benchmarks.bench_page import write_page
from benchmarks.stored import RESULTS, benchmark_of, other_machine, read_result, slower, write_result

NAMES = ("racenet", "dp_snake", "edpcnn", "conv_lstm", "level_set", "rls", "crls")


def measure(name: str, folder: Path) -> list[Path]:
    """Run a benchmark in a fresh process, whose memory nothing has touched; the files that it wrote.

    Raises:
        SystemExit: when it fails; its own message stands above.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        process = multiprocessing.get_context("spawn").Process(target=_measure, args=(name, temporary))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"benchmark {name} failed")
        return [path.replace(folder / path.name) for path in sorted(Path(temporary).glob("*.json"))]


def _measure(name: str, folder: str) -> None:
    from benchmarks.common import environment

    for title, rows in import_module(f"benchmarks.bench_{name}").measured().items():
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
    for path in measure(name, folder):
        ratios = slower(read_result(RESULTS / path.name)["rows"], read_result(path)["rows"])
        found |= {f"{path.stem}, {row}": ratio for row, ratio in ratios.items()}
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(NAMES)}")
    parser.add_argument("--compare", action="store_true", help="against the stored results of the same machine")
    parser.add_argument("--page", action="store_true", help="only write the page and its pictures")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(NAMES)):
        sys.exit(f"no benchmark is called {unknown[0]!r}; there are {', '.join(NAMES)}")
    chosen = [] if arguments.page else arguments.names or list(NAMES)
    names = tqdm(chosen, desc="benchmarks", disable=arguments.page)
    if arguments.compare:
        refuse_other_machine(chosen)
        with tempfile.TemporaryDirectory() as folder:
            found = [line for name in names for line in compare(name, Path(folder))]
        print("\n".join(found) or "nothing is slower than stored by more than 10 %")
        sys.exit(1 if found else 0)
    for name in names:
        measure(name, RESULTS)
    write_page()


if __name__ == "__main__":
    main()
