"""Per-step metrics of known steps: log, CSV (also after a resume) and TensorBoard."""

from __future__ import annotations

import csv
import logging
import math
from pathlib import Path

import pytest
import torch
from monai.engines import SupervisedTrainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from monai_lsext.handlers import StepMetricsHandler
from monai_lsext.losses import MultiStepLoss


class Steps(nn.Module):
    """Constant logits per step, whatever the image."""

    def __init__(self, logits: list[float] | float) -> None:
        super().__init__()
        self.logits = logits
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, image: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        if isinstance(self.logits, float):
            return torch.full_like(image, self.logits) + self.weight
        return [torch.full_like(image, value) + self.weight for value in self.logits]


def train(handler: StepMetricsHandler, logits: list[float] | float, epochs: int, first: int = 1) -> None:
    network = Steps(logits)
    data = [{"image": torch.zeros(2, 1, 4, 4), "label": torch.ones(2, 1, 4, 4)} for _ in range(3)]
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=epochs,
        train_data_loader=data,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
        loss_function=MultiStepLoss(mse_loss),
        train_handlers=[handler],
    )
    trainer.logger.setLevel(logging.INFO)
    trainer.state.epoch, trainer.state.iteration = first - 1, 3 * (first - 1)
    trainer.run()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_values_in_log_and_csv(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "new" / "steps.csv"
    with caplog.at_level(logging.INFO):
        train(StepMetricsHandler(mse_loss, path, name="steps"), [0.0, math.log(3.0)], epochs=2)
    rows = read(path)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    # label 1: squared errors of logits 0 and ln 3; soft Dice 2 * r / (r + 1) for r = 1/2 and 3/4
    expected = {"loss_1": 1.0, "loss_2": (1 - math.log(3)) ** 2, "dice_1": 2 / 3, "dice_2": 6 / 7}
    for row in rows:
        assert list(row) == ["epoch", *expected]
        for key, value in expected.items():
            assert float(row[key]) == pytest.approx(value, abs=1e-5)
    assert "Epoch 2, steps 1 to 2: loss 1.0000 0.0097, Dice 0.6667 0.8571" in caplog.text
    assert [p.name for p in path.parent.iterdir()] == ["steps.csv"]


def test_a_resumed_training_replaces_the_rows_from_its_first_epoch_on(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    train(StepMetricsHandler(mse_loss, path), [0.0], epochs=4)
    train(StepMetricsHandler(mse_loss, path), [1.0], epochs=5, first=3)
    rows = read(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [float(row["loss_1"]) for row in rows] == [1.0, 1.0, 0.0, 0.0, 0.0]
    train(StepMetricsHandler(mse_loss, path), [0.0], epochs=1)
    assert [row["epoch"] for row in read(path)] == ["1"]


def test_one_tensor_is_one_step(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    train(StepMetricsHandler(binary_cross_entropy_with_logits, path), 0.0, epochs=1)
    assert list(read(path)[0]) == ["epoch", "loss_1", "dice_1"]
    assert float(read(path)[0]["loss_1"]) == pytest.approx(math.log(2), abs=1e-5)


def test_interval_skips_iterations() -> None:
    calls = []

    def loss(phi: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled()
        calls.append(1)
        return phi.mean()

    train(StepMetricsHandler(loss, interval=2), [0.0, 1.0], epochs=2)
    assert len(calls) == 2 * 2 * 2  # iterations 1 and 3 of 3, two steps, two epochs


def test_tensorboard(tmp_path: Path) -> None:
    train(StepMetricsHandler(mse_loss, log_dir=tmp_path), [0.0, 1.0], epochs=2)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["scalars"]) == ["step_dice/1", "step_dice/2", "step_loss/1", "step_loss/2"]
    assert [(e.step, e.value) for e in events.Scalars("step_loss/1")] == [(1, 1.0), (2, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"interval": 0}, "`interval` must be >= 1, got 0"),
        ({"summary_writer": object(), "log_dir": "x"}, "give either `summary_writer` or `log_dir`, got both"),
    ],
)
def test_errors(arguments: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        StepMetricsHandler(mse_loss, **arguments)
