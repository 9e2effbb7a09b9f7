"""Growth unit by unit: the rules on known curves, the loss that is followed, and a killed training that resumes."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from growing_training import EPOCHS, KILLED_EPOCH, GrowingTraining
from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from torch.nn.functional import mse_loss
from torch.testing import assert_close

from monai_lsext.handlers import StageGrowth
from monai_lsext.handlers.stage_growth import PLATEAU_RULES
from monai_lsext.networks.nets import PNetMSA


def plateau_epoch(rule: str, losses: Sequence[float], patience: int, threshold: float) -> int | None:
    """The first epoch, from 1, at whose end the rule says plateau."""
    for epoch in range(patience + 1, len(losses) + 1):
        if PLATEAU_RULES[rule](losses[:epoch], patience, threshold):
            return epoch
    return None


@pytest.mark.parametrize(
    ("rule", "losses", "patience", "threshold", "epoch"),
    [
        ("best", [1.0, 0.5, 0.6, 0.5, 0.5], 3, 0.0, 5),  # two epochs to the best, three without a better one
        ("best", [1.0, 0.5, 0.49, 0.48, 0.47], 2, 0.1, 4),  # better, but by less than a tenth
        ("best", [1.0, 0.8, 0.64, 0.5, 0.4], 1, 0.1, None),
        ("best", [1.0, 0.94, 0.88, 0.83, 0.78], 2, 0.1, None),  # each step small, two together not
        ("mean", [1.0, 0.8, 0.6, 0.6, 0.6, 0.6], 2, 0.01, 6),
        ("mean", [1.0, 0.7, 0.5, 0.7, 0.4, 0.6], 2, 0.01, None),  # noise around a falling mean
        ("best", [1.0, 0.7, 0.5, 0.7, 0.4, 0.6], 1, 0.01, 4),  # a single worse epoch
    ],
)
def test_rules_on_known_curves(
    rule: str, losses: list[float], patience: int, threshold: float, epoch: int | None
) -> None:
    assert plateau_epoch(rule, losses, patience, threshold) == epoch


def run(curves: dict[int, list[float]], epochs: int, **options) -> tuple[list[int], StageGrowth]:
    """Units active in each epoch, when the newest unit's loss follows the curve of its number."""
    network = PNetMSA(channels=1, num_units=3)
    growth = StageGrowth(network, mse_loss, **options)
    units: list[int] = []
    in_stage = {number: iter(curve) for number, curve in curves.items()}

    def iteration(engine: Engine, noise: float) -> dict:
        active = int(network.active_units)
        if noise > 0:
            units.append(active)
            engine.state.value = next(in_stage[active])
        # the units before and the blend stand still, the newest has the loss value +- noise
        pred = [torch.tensor([9.0])] * (active - 1) + [torch.tensor([engine.state.value + noise]).sqrt()]
        return {"pred": [*pred, torch.tensor([7.0])], "label": torch.zeros(1)}

    engine = Engine(iteration)
    engine.register_events(*IterationEvents)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: e.fire_event(IterationEvents.LOSS_COMPLETED))
    growth.attach(engine)
    assert int(network.active_units) == 1
    engine.run([0.125, -0.125], max_epochs=epochs)
    return units, growth


def test_unlocks_when_the_newest_unit_has_plateaued() -> None:
    curves = {1: [4.0, 2.0, 2.0, 2.0], 2: [3.0, 2.0, 1.0, 1.0, 1.0], 3: [1.0] * 5}
    units, growth = run(curves, 12, patience=2, threshold=0.0)
    assert units == [1] * 4 + [2] * 5 + [3] * 3
    assert growth.state_dict() == {"losses": [1.0, 1.0, 1.0]}  # the mean of both iterations


def test_limit_of_epochs_and_own_rule() -> None:
    falling = [2.0**-i for i in range(9)]
    units, _ = run({1: falling, 2: falling, 3: falling}, 8, patience=5, max_stage_epochs=3)
    assert units == [1, 1, 1, 2, 2, 2, 3, 3]
    units, _ = run(
        {1: falling, 2: falling, 3: falling}, 8, rule=lambda losses, _, threshold: losses[-1] < threshold, patience=1,
        threshold=0.2,
    )  # fmt: skip
    assert units == [1] * 4 + [2] * 4


def test_killed_training_resumes_at_the_right_stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = GrowingTraining(tmp_path / "whole")
    whole.trainer.logger.setLevel(logging.INFO)
    with caplog.at_level(logging.INFO):
        whole.trainer.run()
    assert [whole.units[epoch] for epoch in range(1, EPOCHS + 1)] == [1, 1, 2, 2, 3, 3, 3]
    assert "after 2 epochs (limit of epochs); unit 2 unlocked" in caplog.text

    command = [sys.executable, str(Path(__file__).with_name("growing_training.py")), str(tmp_path / "killed")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    resumed = GrowingTraining(tmp_path / "killed")
    assert int(resumed.network.active_units) == 1
    resumed.trainer.run()
    assert resumed.units == {epoch: whole.units[epoch] for epoch in range(KILLED_EPOCH, EPOCHS + 1)}
    assert resumed.growth.state_dict() == whole.growth.state_dict()
    assert_close(resumed.network.state_dict(), whole.network.state_dict(), rtol=0, atol=0)


def test_losses_of_the_stage_survive_an_interruption_within_it() -> None:
    """Two of three epochs without progress before, one after: plateau."""
    network = PNetMSA(channels=1, num_units=3)
    growth = StageGrowth(network, mse_loss, patience=2)
    growth.load_state_dict({"losses": [1.0, 1.0]})
    engine = Engine(lambda _engine, _batch: {"pred": [torch.ones(1), torch.ones(1)], "label": torch.zeros(1)})
    engine.register_events(*IterationEvents)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: e.fire_event(IterationEvents.LOSS_COMPLETED))
    growth.attach(engine)
    engine.run([0], max_epochs=1)
    assert int(network.active_units) == 2
    assert growth.state_dict() == {"losses": []}


def test_other_results_are_refused() -> None:
    growth = StageGrowth(PNetMSA(channels=1, num_units=3), mse_loss)
    engine = Engine(lambda _engine, _batch: {"pred": torch.ones(1), "label": torch.ones(1)})
    engine.register_events(*IterationEvents)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: e.fire_event(IterationEvents.LOSS_COMPLETED))
    growth.attach(engine)
    with pytest.raises(ValueError, match="`pred` must be the list of 1 active units and their blend, got Tensor"):
        engine.run([0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "slope"}, r"`rule` must be one of \['best', 'mean'\] or a callable, got 'slope'"),
        ({"patience": 0}, "`patience` must be >= 1, got 0"),
        ({"threshold": 1.0}, "`threshold` must be >= 0 and < 1, got 1.0"),
        ({"max_stage_epochs": 0}, "`max_stage_epochs` must be >= 1, got 0"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageGrowth(PNetMSA(channels=1), mse_loss, **options)
