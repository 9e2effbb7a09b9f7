"""A step of the reproduction: a command that runs in a process of its own, and the file that shows that it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from monai_lsext.atomic import replace_when_done

ROOT = Path(__file__).resolve().parents[2]
RUNS = Path("runs") / "reproduction"  # as commands show it, from the repository's root
RESULTS = ROOT / "benchmarks" / "results" / "reproduction"
Collector = Callable[["Step", "Place"], dict[str, Any]]


class StepError(Exception):
    """A step that cannot be finished now, in a sentence."""


@dataclass(frozen=True)
class Place:
    """Where data lie, where steps work, and where the figures of whole steps are kept."""

    data: Path | None
    runs: Path = ROOT / RUNS
    results: Path = RESULTS

    def folder(self, step: Step) -> Path:
        return self.runs / step.name

    def kept(self, step: Step) -> Path:
        return self.results / f"{step.task}.{step.title}.json"


@dataclass(frozen=True)
class Step:
    """One command; ``$DATA`` and ``$RUNS`` stand for folders in it.

    Args:
        task: name of the bundle.
        title: of the step within the task.
        arguments: what ``python`` gets.
        minutes: of one core, about.
        files: beside those the command names, what the figures depend on; from the repository's root.
        after: steps whose output this one reads.
        collect: reads the figures from the output; None: the step only trains.
        group: pattern whose group 1 in a case's name is what cases have in common (a patient); they are averaged for
            the paired test.
    """

    task: str
    title: str
    arguments: tuple[str, ...]
    minutes: float
    files: tuple[str, ...] = ()
    after: tuple[Step, ...] = ()
    collect: Collector | None = None
    group: str = "(.+)"

    @property
    def name(self) -> str:
        return f"{self.task}/{self.title}"

    @property
    def folders(self) -> list[str]:
        """Folders of the data that the command reads."""
        return sorted(set(re.findall(r"\$DATA/(\w+)", " ".join(self.arguments))))

    @property
    def command(self) -> str:
        """To be read, and to be typed in the repository's root."""
        return " ".join(["python", *(_quoted(part.replace("$RUNS", RUNS.as_posix())) for part in self.arguments)])

    def argv(self, place: Place) -> list[str]:
        """The command as it is run."""
        filled = [part.replace("$DATA", str(place.data)).replace("$RUNS", str(place.runs)) for part in self.arguments]
        return [sys.executable, *filled]

    def fingerprint(self) -> str:
        """Of the command, of what its configs say, of its other files, and of the steps before it."""
        digest = hashlib.sha256("\0".join(self.arguments).encode())
        named = re.findall(r"bundles/[\w/]+\.yaml", " ".join(self.arguments))
        for name in sorted({*named, *self.files}):
            content = (ROOT / name).read_bytes()
            if name.endswith(".yaml"):  # comments and layout do not count
                content = json.dumps(yaml.safe_load(content), sort_keys=True).encode()
            digest.update(content)
        for step in self.after:
            digest.update(step.fingerprint().encode())
        return digest.hexdigest()[:16]


def is_whole(step: Step, place: Place) -> bool:
    """Whether the step has come to its end, with the configs as they are now."""
    return _recorded(step, place) == step.fingerprint()


def state(step: Step, place: Place) -> str:
    """``done``, ``to do``, or ``not possible`` and why."""
    if is_whole(step, place):
        return "done"
    if step.folders and place.data is None:
        return "not possible: LSEXT_DATA is not set"
    missing = [name for name in step.folders if place.data is not None and not (place.data / name).is_dir()]
    missing += [name for before in step.after if (name := _lacking(before, place)) and name not in missing]
    if missing:
        return f"not possible: {', '.join(missing)} is missing in LSEXT_DATA"
    return "to do" if _recorded(step, place) is None else "to do again: command or configs have changed"


def plan(steps: list[Step], place: Place) -> list[str]:
    """One line for each step, and the sum."""
    states = {step: state(step, place) for step in steps}
    width = max(len(step.name) for step in steps)
    lines = [f"{step.name:<{width}}  {_about(step.minutes):>9}  {states[step]}" for step in steps]
    todo = [step for step in steps if states[step].startswith("to do")]
    done = sum(text == "done" for text in states.values())
    hours = sum(step.minutes for step in todo) / 60
    stuck = len(steps) - done - len(todo)
    return [*lines, f"{done} done, {len(todo)} to do (about {hours:.1f} CPU hours), {stuck} not possible"]


def run_step(step: Step, place: Place) -> dict[str, Any]:
    """Run the command, collect its figures and keep them; what was written before an interruption is the command's.

    Raises:
        StepError: when another process has the step in hand, or the command fails.
    """
    folder = place.folder(step)
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(step, folder) as lock, open(folder / "log.txt", "a+") as log:
        log.write(f"$ {step.command}\n")
        log.flush()
        begun, used = time.monotonic(), _cpu_seconds()
        # the command holds the lock too: killed alone, this process leaves a step that is still in hand
        done = subprocess.run(
            step.argv(place),
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            pass_fds=(lock.fileno(),),
        )
        if done.returncode:
            raise StepError(f"{step.name} failed, see the end of {folder / 'log.txt'}")
        from benchmarks.common import environment  # here, since it loads all of torch: plan and command come at once

        log.seek(0)
        record = {
            "step": step.name,
            "command": step.command,
            "fingerprint": step.fingerprint(),
            "starts": sum(line.startswith("$ ") for line in log),
            "seconds": round(time.monotonic() - begun, 1),
            "cpu_seconds": round(_cpu_seconds() - used, 1),
            "environment": environment(),
            "methods": step.collect(step, place) if step.collect else {},
        }
        write_json(place.kept(step), record)
        write_json(folder / "result.json", record)
    return record


def write_json(path: Path, content: dict[str, Any]) -> None:
    """All or nothing; lists of figures on one line each."""
    with replace_when_done(path) as temporary:
        temporary.write_text(_text(content) + "\n", encoding="utf-8")


def _text(value: Any, indent: str = "") -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    deeper = indent + " "
    entries = [f"{deeper}{json.dumps(key)}: {_text(entry, deeper)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"


def _recorded(step: Step, place: Place) -> str | None:
    path = place.folder(step) / "result.json"
    return json.loads(path.read_text(encoding="utf-8"))["fingerprint"] if path.exists() else None


def _lacking(step: Step, place: Place) -> str | None:
    """The first folder without which a step before this one cannot run."""
    if is_whole(step, place) or place.data is None:
        return None
    return next((name for name in step.folders if not (place.data / name).is_dir()), None)


def _quoted(part: str) -> str:
    if part.startswith("$DATA/"):
        return part.replace("$DATA/", "$LSEXT_DATA/")
    return f'"{part}"' if "'" in part else shlex.quote(part)


def _about(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 60 else f"{minutes / 60:.1f} h"


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _lock(step: Step, folder: Path) -> Iterator[IO[str]]:
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepError(f"{step.name} is in the hands of another process: wait for it, or end it first") from None
        yield lock
