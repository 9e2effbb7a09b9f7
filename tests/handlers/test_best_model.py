"""The best weights, and those of the networks beside them, are written together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_lsext.handlers import BestModelSaver


@pytest.mark.parametrize("best", [1, 2])
def test_companions_are_those_of_the_best_epoch(tmp_path: Path, best: int) -> None:
    network, companion = nn.Linear(1, 1), nn.Linear(2, 1)
    saver = BestModelSaver(network, tmp_path / "model.pt", companions={"helper.pt": companion})
    saver.logger.disabled = True
    engine = Engine(lambda engine, batch: None)
    engine.state.best_metric, engine.state.best_metric_epoch = 0.5, best

    @engine.on(Events.EPOCH_STARTED)
    def learn() -> None:
        for parameter in (*network.parameters(), *companion.parameters()):
            parameter.data.fill_(engine.state.epoch)

    engine.add_event_handler(Events.EPOCH_COMPLETED, saver)
    engine.run([0], max_epochs=2)
    for name in ("model.pt", "helper.pt"):
        weights = torch.load(tmp_path / name, weights_only=True)
        assert all((tensor == best).all() for tensor in weights.values())
