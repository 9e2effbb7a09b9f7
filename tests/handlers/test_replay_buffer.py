"""ReplayBuffer: capacity, order, the moment of a pass, state, and a killed training that goes on with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from replay_training import Training
from torch.testing import assert_close

from monai_lsext.handlers import ReplayBuffer

EXACT = {"rtol": 0.0, "atol": 0.0}


class Recorder:
    """A trainer that notes by number what it is taught."""

    def __init__(self) -> None:
        self.samples: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.steps: list[list[int]] = []

    def train_on(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert torch.equal(image.squeeze(), target.squeeze().to(image.dtype))
        self.steps.append([int(x) for x in image.flatten()])
        return image.sum()


def fed(buffer: ReplayBuffer, batches: list[list[int]]) -> list[list[list[int]]]:
    """The steps of replay after each batch of numbered samples."""
    engine, steps = Recorder(), []
    for batch in batches:
        engine.samples = [(torch.full((1, 1, 1), float(x)), torch.full((1, 1, 1), x)) for x in batch]
        engine.steps = []
        buffer(engine)
        steps.append(engine.steps)
    return steps


def held(buffer: ReplayBuffer) -> list[int]:
    return [int(image) for image in buffer.state_dict()["images"]]


def test_a_pass_when_full_oldest_first_then_the_oldest_leaves() -> None:
    buffer = ReplayBuffer(4, batch_size=3)
    steps = fed(buffer, [[1], [2, 3], [4], [5]])
    assert steps == [[], [], [[1, 2, 3], [4]], [[2, 3, 4], [5]]]
    assert held(buffer) == [3, 4, 5]


def test_more_than_the_capacity_pushes_the_oldest_out() -> None:
    buffer = ReplayBuffer(3)
    assert fed(buffer, [[1, 2], [3, 4, 5]]) == [[], [[3, 4, 5]]]
    assert held(buffer) == [4, 5]


def test_when_all_leave_each_sample_is_replayed_once() -> None:
    buffer = ReplayBuffer(4, batch_size=4, num_leaving=4)
    steps = fed(buffer, [[1, 2], [3, 4], [5, 6], [7, 8], [9]])
    assert steps == [[], [[1, 2, 3, 4]], [], [[5, 6, 7, 8]], []]
    assert held(buffer) == [9]


def test_what_is_held_does_not_change_with_the_batch() -> None:
    buffer, engine = ReplayBuffer(3), Recorder()
    image, target = torch.ones(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    engine.samples = [(image.requires_grad_(), target)]
    buffer(engine)
    state = buffer.state_dict()
    assert not state["images"][0].requires_grad
    assert state["targets"][0].dtype == torch.uint8


def test_state_comes_back_through_a_file(tmp_path: Path) -> None:
    buffer = ReplayBuffer(5)
    fed(buffer, [[1, 2], [3]])
    torch.save(buffer.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    same, smaller = ReplayBuffer(5), ReplayBuffer(2)
    same.load_state_dict(state)
    smaller.load_state_dict(state)
    assert held(same) == [1, 2, 3]
    assert held(smaller) == [2, 3]
    assert fed(same, [[4], [5]]) == fed(buffer, [[4], [5]]) == [[], [[1, 2, 3, 4, 5]]]


def test_a_killed_training_goes_on_with_its_buffer(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole")
    whole.trainer.run()
    command = [sys.executable, str(Path(__file__).with_name("replay_training.py")), str(tmp_path / "killed")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    stored = torch.load(tmp_path / "killed" / "training_state.pt", weights_only=True)
    assert len(stored["objects"]["replay"]["images"]) > 0
    torch.manual_seed(999)
    resumed = Training(tmp_path / "killed")
    resumed.trainer.run()
    assert_close(resumed.network.state_dict(), whole.network.state_dict(), **EXACT)
    assert_close(resumed.buffer.state_dict(), whole.buffer.state_dict(), **EXACT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "`capacity` must be >= 1, got 0"),
        ({"capacity": 2, "batch_size": 0}, "`batch_size` must be >= 1, got 0"),
        ({"capacity": 2, "num_leaving": 3}, "`num_leaving` must be within 1 to 2, the capacity, got 3"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReplayBuffer(**options)
