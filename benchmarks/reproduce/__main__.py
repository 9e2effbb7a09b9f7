"""``python -m benchmarks.reproduce``: see the plan, run what is to do, write the page."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from benchmarks.reproduce.steps import Place, Step, StepError, is_whole, plan, run_step, state
from benchmarks.reproduce.tasks import STEPS, TASKS


def chosen(names: list[str], steps: list[Step]) -> list[Step]:
    """The steps of the named tasks, or the named steps, and those before them that are needed; no name: all.

    Raises:
        ValueError: for a name that is neither a task nor a step.
    """
    known = {name for step in steps for name in (step.task, step.name)}
    unknown = [name for name in names if name not in known]
    if unknown:
        tasks = ", ".join(dict.fromkeys(step.task for step in steps))
        raise ValueError(f"no task or step is called {unknown[0]!r}; the tasks are {tasks}, --plan lists their steps")
    wanted = [step for step in steps if not names or step.task in names or step.name in names]
    needed = {before for step in wanted for before in step.after}
    return [step for step in steps if step in wanted or step in needed]


def run(steps: list[Step], place: Place) -> int:
    """Run what is to do, a line for each; the exit status."""
    failed: set[Step] = set()
    with tqdm(steps, unit="step", desc="reproduce") as bar:
        for step in bar:
            now = state(step, place)
            if now.startswith("to do") and not failed.intersection(step.after):
                bar.set_postfix_str(step.name)
                bar.write(f"{step.name}: log in {place.folder(step) / 'log.txt'}")
                try:
                    run_step(step, place)
                    write_page()
                except StepError as error:
                    bar.write(f"{error}")
                    failed.add(step)
            elif now != "done":
                bar.write(f"{step.name}: {'a step before it failed' if failed.intersection(step.after) else now}")
                failed.add(step)
    return 0 if all(is_whole(step, place) for step in steps) else 1


def write_page() -> None:
    """``docs/reproduction.md`` and its picture from the figures that are kept."""
    from benchmarks.reproduce.efficiency import draw_efficiency
    from benchmarks.reproduce.figures import kept
    from benchmarks.reproduce.page import PAGE, page

    draw_efficiency(kept())
    PAGE.write_text(page(), encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TASK", help=f"tasks or steps; default all: {', '.join(TASKS)}")
    parser.add_argument("--plan", action="store_true", help="only list the steps and what is done")
    parser.add_argument("--page", action="store_true", help="only write the page anew from the figures that are kept")
    arguments = parser.parse_args()
    data = os.environ.get("LSEXT_DATA")
    place = Place(Path(data).absolute() if data else None)
    try:
        steps = chosen(arguments.names, STEPS)
    except ValueError as error:
        sys.exit(f"{error}")
    if not arguments.page:
        print("\n".join(plan(steps, place)))
    if not arguments.plan and not arguments.page:
        if place.data is None:
            sys.exit("set LSEXT_DATA to the folder that holds the data sets, each in the folder that the plan names")
        status = run(steps, place)
        write_page()
        sys.exit(status)
    if arguments.page:
        write_page()


if __name__ == "__main__":
    main()
