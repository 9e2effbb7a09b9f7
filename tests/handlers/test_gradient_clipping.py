"""Gradient clipping and the progress bar inside a real MONAI trainer."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents

from monai_lsext.handlers.gradient_clipping import GradientClipping
from monai_lsext.handlers.training_progress import TrainingProgress


def trainer(*handlers, epochs: int = 1, target: float = 1000.0) -> SupervisedTrainer:
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(net.weight)
    batches = [{"image": torch.ones(1, 1), "label": torch.full((1, 1), target)}] * 2
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=batches,
        network=net,
        optimizer=torch.optim.SGD(net.parameters(), 1.0),
        loss_function=torch.nn.MSELoss(),
        train_handlers=handlers,
    )


@pytest.mark.parametrize(("target", "expected"), [(1000.0, 0.5), (0.1, 0.2)])
def test_gradient_is_scaled_to_the_norm_before_the_step(target: float, expected: float) -> None:
    """The gradient at weight 0 is -2 * target: -2000 is cut to -0.5, -0.2 stays."""
    engine = trainer(GradientClipping(max_norm=0.5), target=target)
    seen = []
    engine.add_event_handler(IterationEvents.MODEL_COMPLETED, lambda e: seen.append(e.network.weight.item()))
    engine.run()
    assert seen[0] == pytest.approx(expected)


def test_bad_norm() -> None:
    with pytest.raises(ValueError, match="`max_norm` must be > 0, got 0"):
        GradientClipping(0)


def test_progress_counts_every_iteration_of_every_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(TrainingProgress(), epochs=3, target=0.1).run()
    shown = capsys.readouterr().err
    assert "6/6" in shown
    assert "epoch=3/3" in shown
    assert "loss=" in shown


def test_progress_starts_where_a_resumed_training_starts(capsys: pytest.CaptureFixture[str]) -> None:
    engine = trainer(epochs=4, target=0.1)

    def resume(e: SupervisedTrainer) -> None:
        e.state.epoch, e.state.iteration = 3, 6

    engine.add_event_handler(Events.STARTED, resume)
    TrainingProgress().attach(engine)
    engine.run()
    assert "8/8" in capsys.readouterr().err
