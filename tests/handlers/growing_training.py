"""A tiny training that grows; run as a script it kills itself in the middle of an epoch.

usage: growing_training.py FOLDER
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import SupervisedTrainer

from monai_lsext.handlers import StageGrowth, TrainingCheckpoint
from monai_lsext.losses import MultiStepLoss
from monai_lsext.networks.nets import PNetMSA

EPOCHS, KILLED_EPOCH, ITERATIONS, STAGE = 7, 5, 2, 2


class GrowingTraining:
    """Three units, each unlocked after two epochs at the latest; ``units`` lists those active in each epoch."""

    def __init__(self, folder: Path) -> None:
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        items = []
        for _ in range(ITERATIONS):
            label = (torch.rand(1, 8, 8, generator=generator) > 0.5).float()
            items.append({"image": label.expand(3, 8, 8).clone(), "label": label})
        self.network = PNetMSA(channels=2, num_units=3)
        self.growth = StageGrowth(
            self.network, F.binary_cross_entropy_with_logits, patience=100, max_stage_epochs=STAGE
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-2)
        objects = {"model": self.network, "optimizer": self.optimizer, "growth": self.growth}
        self.trainer = SupervisedTrainer(
            device="cpu",
            max_epochs=EPOCHS,
            train_data_loader=DataLoader(items, batch_size=1),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=MultiStepLoss(F.binary_cross_entropy_with_logits, "uniform"),
            train_handlers=[TrainingCheckpoint(folder, objects), self.growth],
        )
        self.units: dict[int, int] = {}
        self.trainer.add_event_handler(Events.EPOCH_STARTED, self._note)

    def _note(self, engine: SupervisedTrainer) -> None:
        self.units[engine.state.epoch] = int(self.network.active_units)


def main() -> None:
    training = GrowingTraining(Path(sys.argv[1]))

    @training.trainer.on(Events.ITERATION_COMPLETED(once=(KILLED_EPOCH - 1) * ITERATIONS + 1))
    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    training.trainer.run()


if __name__ == "__main__":
    main()
