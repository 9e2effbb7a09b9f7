"""Steps of ``make reproduce``: the plan, an interruption, and what is run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.reproduce import __main__ as command
from benchmarks.reproduce import steps as module
from benchmarks.reproduce.published import papers
from benchmarks.reproduce.steps import ROOT, Place, Step, StepError, is_whole, plan, run_step, state
from benchmarks.reproduce.tasks import STEPS

# writes one line a start; the first start of the second step never ends
SCRIPT = """
import sys, time
from pathlib import Path
folder = Path(sys.argv[1])
with open(folder / "starts", "a") as stream:
    stream.write("x")
if folder.name == "second" and (folder / "starts").read_text() == "x":
    time.sleep(600)
(folder / "half").write_text("done")
"""


def figures(step: Step, place: Place) -> dict[str, object]:
    starts = len((place.folder(step) / "starts").read_text())
    return {"": {"values": {"starts": [starts]}}}


FIRST = Step("toy", "first", ("-c", SCRIPT, "$RUNS/toy/first"), 3, collect=figures)
SECOND = Step("toy", "second", ("-c", SCRIPT, "$RUNS/toy/second"), 57, after=(FIRST,), collect=figures)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(command, "write_page", lambda: None)
    (tmp_path / "data").mkdir()
    return Place(tmp_path / "data", tmp_path / "runs", tmp_path / "results")


def kept(step: Step, place: Place) -> dict[str, object]:
    return json.loads(place.kept(step).read_text())


def until(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not come")


def test_plan_names_what_is_done_to_do_and_missing(place: Place) -> None:
    reads = Step("toy", "reads", ("-c", "pass", "$DATA/brains", "$DATA/hearts"), 90)
    late = Step("toy", "late", ("-c", "pass"), 1, after=(reads,))
    assert place.data is not None
    (place.data / "hearts").mkdir()
    run_step(FIRST, place)
    assert plan([FIRST, SECOND, reads, late], place) == [
        "toy/first       3 min  done",
        "toy/second     57 min  to do",
        "toy/reads       1.5 h  not possible: brains is missing in LSEXT_DATA",
        "toy/late        1 min  not possible: brains is missing in LSEXT_DATA",
        "1 done, 1 to do (about 0.9 CPU hours), 2 not possible",
    ]
    assert state(reads, Place(None, place.runs)) == "not possible: LSEXT_DATA is not set"


@pytest.mark.parametrize("whom", ["all", "parent"])
def test_a_killed_step_goes_on_and_a_whole_one_is_not_run_again(place: Place, whom: str) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_reproduce_steps as t\n"
        "t.command.write_page = lambda: None\n"
        "t.command.run([t.FIRST, t.SECOND], t.Place(*map(Path, sys.argv[2:])))"
    )
    run_step(FIRST, place)
    folders = [str(folder) for folder in (place.data, place.runs, place.results)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), *folders], cwd=ROOT, start_new_session=True
    )
    try:
        until(place.folder(SECOND) / "starts")
        if whom == "parent":  # what it started lives on and must not be started twice
            process.kill()
            process.wait()
            with pytest.raises(StepError, match="toy/second is in the hands of another process"):
                run_step(SECOND, place)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert [state(step, place) for step in (FIRST, SECOND)] == ["done", "to do"]
    assert not place.kept(SECOND).exists()
    time.sleep(0.2)  # the lock goes with the killed process
    assert command.run([FIRST, SECOND], place) == 0
    assert kept(FIRST, place)["methods"] == {"": {"values": {"starts": [1]}}}
    assert kept(SECOND, place)["methods"] == {"": {"values": {"starts": [2]}}}
    assert kept(SECOND, place)["starts"] == 2
    assert plan([FIRST, SECOND], place)[-1] == "2 done, 0 to do (about 0.0 CPU hours), 0 not possible"


def test_changed_configs_make_a_step_and_those_after_it_to_do_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    config = tmp_path / "train.yaml"
    config.write_text("epochs: 3\n")
    training = Step("toy", "training", ("-c", "pass"), 1, files=("train.yaml",))
    measured = Step("toy", "measured", ("-c", "pass"), 1, after=(training,))
    for step in (training, measured):
        run_step(step, place)
    config.write_text("# the same\nepochs:   3\n")
    assert [state(step, place) for step in (training, measured)] == ["done", "done"]
    config.write_text("epochs: 4\n")
    assert [state(step, place) for step in (training, measured)] == [
        "to do again: command or configs have changed",
        "to do again: command or configs have changed",
    ]


def test_a_failure_names_the_log_and_spares_what_comes_after(place: Place, capsys: pytest.CaptureFixture) -> None:
    fails = Step("toy", "fails", ("-c", "raise SystemExit('no such thing')"), 1)
    after = Step("toy", "after", ("-c", "pass"), 1, after=(fails,))
    assert command.run([fails, after, FIRST], place) == 1
    log = place.folder(fails) / "log.txt"
    assert log.read_text().endswith("no such thing\n")
    told = capsys.readouterr().out
    assert f"toy/fails failed, see the end of {log}" in told
    assert "toy/after: a step before it failed" in told
    assert is_whole(FIRST, place)
    assert not is_whole(after, place)


def test_names_choose_tasks_and_steps_with_what_they_need() -> None:
    other = Step("cups", "shipped", ("-c", "pass"), 1)
    assert command.chosen([], [FIRST, SECOND, other]) == [FIRST, SECOND, other]
    assert command.chosen(["cups"], [FIRST, SECOND, other]) == [other]
    assert command.chosen(["toy/second"], [FIRST, SECOND, other]) == [FIRST, SECOND]
    with pytest.raises(ValueError, match="no task or step is called 'liver'; the tasks are toy, cups, --plan lists"):
        command.chosen(["liver"], [FIRST, SECOND, other])


def test_commands_can_be_read_and_typed() -> None:
    step = Step("toy", "shown", ("-m", "tool", "['a','b']", "$DATA/hearts", "$RUNS/toy/shown", "$None"), 1)
    assert step.command == "python -m tool \"['a','b']\" $LSEXT_DATA/hearts runs/reproduction/toy/shown '$None'"
    assert step.argv(Place(Path("/d"), Path("/r")))[3:] == ["['a','b']", "/d/hearts", "/r/toy/shown", "$None"]


def test_every_bundle_has_steps_and_every_source_is_one() -> None:
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    assert {step.task for step in STEPS} == {folder.name for folder in (ROOT / "bundles").iterdir()}
    given = papers()
    assert sorted(task for paper in given for task in paper.tasks) == sorted({step.task for step in STEPS})
    sources = {source for paper in given for table in paper.tables for of in table.sources.values() for source in of}
    assert {source.partition(":")[0] for source in sources} - {"bench"} <= set(names)
    for step in STEPS:
        assert len(step.fingerprint()) == 16  # every file it names is there
