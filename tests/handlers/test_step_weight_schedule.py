"""The step-weight schedule by epoch, also when a training resumes."""

from __future__ import annotations

import pytest
from ignite.engine import Engine, Events
from torch.nn.functional import mse_loss

from monai_lsext.handlers import StepWeightSchedule
from monai_lsext.losses import MultiStepLoss


def weights_by_epoch(epochs: int, first: int = 1) -> list[list[float]]:
    loss = MultiStepLoss(mse_loss, "race")
    seen = []
    engine = Engine(lambda _engine, _batch: seen.append(loss.step_weights))
    StepWeightSchedule(loss, [1.0, 1.0], [0.01, 100.0], first_epoch=2, last_epoch=4).attach(engine)

    @engine.on(Events.STARTED)
    def resume(engine: Engine) -> None:
        engine.state.epoch = first - 1

    engine.run([0], max_epochs=epochs)
    return seen


EXPECTED = [[1.0, 1.0], [1.0, 1.0], [0.1, 10.0], [0.01, 100.0], [0.01, 100.0]]


@pytest.mark.parametrize("first", [1, 3, 5])
def test_geometric_by_epoch(first: int) -> None:
    for weights, expected in zip(weights_by_epoch(5, first), EXPECTED[first - 1 :], strict=True):
        assert weights == pytest.approx(expected)


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "text"),
    [
        ([1.0], [1.0, 2.0], 1, 2, "must have one weight per step, got 1 and 2"),
        ([1.0, 0.0], [1.0, 2.0], 1, 2, r"weights must be > 0, got \[1.0, 0.0\] and \[1.0, 2.0\]"),
        ([1.0], [2.0], 3, 3, "`last_epoch` must be > `first_epoch` = 3, got 3"),
    ],
)
def test_errors(start: list[float], end: list[float], first: int, last: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        StepWeightSchedule(MultiStepLoss(mse_loss), start, end, first_epoch=first, last_epoch=last)
