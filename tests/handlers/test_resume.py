"""A training killed in the middle of an epoch and started again ends as the undisturbed one."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ignite.engine import Events
from resumable_training import EPOCHS, KILLED_EPOCH, Training
from torch.testing import assert_close

from monai_lsext.handlers import TrainingCheckpoint

EXACT = {"rtol": 0.0, "atol": 0.0}


def optimiser_tensors(training: Training) -> list[torch.Tensor]:
    state = training.optimizer.state_dict()["state"]
    return [value for key in sorted(state) for value in state[key].values()]


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_and_started_again_equals_undisturbed(tmp_path: Path, num_workers: int) -> None:
    whole_dir, killed_dir = tmp_path / "whole", tmp_path / "killed"
    whole = Training(whole_dir, num_workers)
    whole.trainer.run()

    script = Path(__file__).with_name("resumable_training.py")
    command = [sys.executable, str(script), str(killed_dir), str(num_workers)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    torch.manual_seed(999)
    resumed = Training(killed_dir, num_workers)
    resumed.trainer.run()

    assert resumed.epochs_run == list(range(KILLED_EPOCH, EPOCHS + 1))
    assert_close(resumed.network.state_dict(), whole.network.state_dict(), **EXACT)
    assert_close(optimiser_tensors(resumed), optimiser_tensors(whole), **EXACT)
    assert resumed.scheduler.state_dict() == whole.scheduler.state_dict()
    assert resumed.optimizer.param_groups[0]["lr"] == whole.optimizer.param_groups[0]["lr"] == 0.02 / 8
    for name in ("best_metric", "best_metric_epoch"):
        assert getattr(resumed.evaluator.state, name) == getattr(whole.evaluator.state, name)
    assert resumed.trainer.state.iteration == whole.trainer.state.iteration
    assert_close(torch.load(resumed.best_path), torch.load(whole.best_path), **EXACT)
    assert (killed_dir / "steps.csv").read_text() == (whole_dir / "steps.csv").read_text()
    assert sorted(p.name for p in killed_dir.iterdir()) == ["model.pt", "steps.csv", "training_state.pt"]


def test_a_finished_training_starts_afresh_and_a_longer_one_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Training(tmp_path, epochs=2)
    first.trainer.run()
    again = Training(tmp_path, epochs=2)
    again.trainer.logger.setLevel(logging.INFO)
    with caplog.at_level(logging.INFO):
        again.trainer.run()
    assert again.epochs_run == [1, 2]
    assert "Stored training is finished (epoch 2): starting afresh" in caplog.text
    longer = Training(tmp_path, epochs=3)
    longer.trainer.run()
    assert longer.epochs_run == [3]


def test_a_training_of_fewer_epochs_than_the_interval_is_validated_at_its_end(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=2, interval=5)
    training.trainer.run()
    assert training.evaluator.state.best_metric_epoch == 2
    assert_close(torch.load(training.best_path), training.network.state_dict(), **EXACT)
    usual, runs = Training(tmp_path / "usual", epochs=2), []
    usual.evaluator.add_event_handler(Events.COMPLETED, lambda engine: runs.append(engine.state.epoch))
    usual.trainer.run()
    assert runs == [1, 2]  # not once more at the end


def test_best_model_is_the_bare_state_dict_of_the_best_epoch(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=1)
    evaluator = training.evaluator
    with torch.no_grad():
        evaluator.run(1)
        written = training.best_path.stat().st_mtime_ns
        training.network[3].bias.fill_(-1e3)  # an empty mask: worse
        evaluator.run(2)
    assert evaluator.state.best_metric_epoch == 1
    assert training.best_path.stat().st_mtime_ns == written
    weights = torch.load(training.best_path, weights_only=True)
    assert list(weights) == list(training.network.state_dict())
    assert weights["3.bias"].item() != -1e3


def test_interval_writes_the_last_epoch_too(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=3)
    handler = TrainingCheckpoint(tmp_path / "other", {"model": training.network}, interval=2)
    handler.attach(training.trainer)
    stored = []
    # at the start of an epoch: what the epochs before have left
    training.trainer.add_event_handler(Events.EPOCH_STARTED, lambda: stored.append(handler.path.is_file()))
    training.trainer.run()
    assert stored == [False, False, True]
    assert torch.load(handler.path, weights_only=True)["epoch"] == 3


def test_wrapped_network_is_stored_bare(tmp_path: Path) -> None:
    training = Training(tmp_path, epochs=1)
    wrapped = torch.nn.DataParallel(training.network)
    handler = TrainingCheckpoint(tmp_path / "other", {"model": wrapped})
    handler.attach(training.trainer)
    training.trainer.run()
    stored = torch.load(handler.path, weights_only=True)
    assert list(stored["objects"]["model"]) == list(training.network.state_dict())
    state = training.trainer.state
    state.epoch, state.iteration, state.max_epochs = 0, 0, 2
    handler.resume(training.trainer)
    assert state.epoch == 1


def test_a_trainer_that_goes_on_keeps_its_weights(tmp_path: Path) -> None:
    """As in federated rounds: between two runs in one process somebody else has set the weights."""
    training = Training(tmp_path, epochs=1)
    training.trainer.run()
    (parameter, *_) = training.network.parameters()
    with torch.no_grad():
        parameter.fill_(7)
    training.trainer.state.max_epochs = 2
    TrainingCheckpoint(tmp_path, {"network": training.network}).resume(training.trainer)
    assert (parameter == 7).all()


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "training_state.pt").write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"training_state\.pt` does not fit this training; delete it to start afresh"):
        Training(tmp_path).trainer.run()
    torch.save({"epoch": 1, "iteration": 3, "objects": {"model": {}}}, tmp_path / "training_state.pt")
    with pytest.raises(ValueError, match="Missing key"):
        Training(tmp_path).trainer.run()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"save_dict": {}}, "`save_dict` must hold at least one object, got none"),
        ({"save_dict": {"model": torch.nn.Identity()}, "interval": 0}, "`interval` must be >= 1, got 0"),
    ],
)
def test_errors(arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TrainingCheckpoint("x", **arguments)
