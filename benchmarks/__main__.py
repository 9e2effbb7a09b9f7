"""``python -m benchmarks``: measure times and memory, write ``results``, the page of the docs and its pictures.

python -m benchmarks [NAME ...]            measure, keep the results, draw
python -m benchmarks --compare [NAME ...]  measure, keep nothing; exit 1 if anything is over 10 % slower than stored
python -m benchmarks --page                draw from what is stored
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from benchmarks.bench_page import write_page
from benchmarks.measure import compare, measure, refuse_other_machine
from benchmarks.stored import RESULTS

NAMES = ("racenet", "dp_snake", "edpcnn", "conv_lstm", "level_set", "rls", "crls")


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
        measure(f"benchmarks.bench_{name}", RESULTS)
    write_page()


if __name__ == "__main__":
    main()
