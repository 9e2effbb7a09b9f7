"""A tiny semi-supervised training with a replay buffer; run as a script it kills itself.

usage: replay_training.py FOLDER
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from torch import nn

from monai_lsext.engines import LevelSetSemiSupervisedTrainer
from monai_lsext.evolution import LevelSetRefiner
from monai_lsext.handlers import EpochSeed, ReplayBuffer, TrainingCheckpoint
from monai_lsext.transforms import FillMissingLabeld

EPOCHS, KILLED_EPOCH, ITERATIONS = 4, 3, 3


def items() -> list[dict[str, torch.Tensor]]:
    """Six noisy discs, four of them labelled."""
    generator = torch.Generator().manual_seed(0)
    x = torch.arange(12.0)
    made: list[dict[str, torch.Tensor]] = []
    for index in range(2 * ITERATIONS):
        centre = 4 + 4 * torch.rand(2, generator=generator)
        label = ((x[:, None] - centre[0]) ** 2 + (x - centre[1]) ** 2 < 9).float()[None]
        item = {"image": label + 0.5 * torch.randn(label.shape, generator=generator)}
        made.append({**item, "label": label} if index < 4 else item)
    return made


class Training:
    """Network, optimiser, buffer and trainer, made from scratch."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        self.optimizer = torch.optim.Adadelta(self.network.parameters(), lr=1.0)
        self.buffer = ReplayBuffer(5, batch_size=2, num_leaving=2)
        objects = {"model": self.network, "optimizer": self.optimizer, "replay": self.buffer}
        self.trainer = LevelSetSemiSupervisedTrainer(
            network=self.network,
            optimizer=self.optimizer,
            refiner=LevelSetRefiner(3),
            warm_up_epochs=1,
            device="cpu",
            max_epochs=EPOCHS,
            train_data_loader=DataLoader(Dataset(items(), FillMissingLabeld()), batch_size=2, shuffle=True),
            train_handlers=[TrainingCheckpoint(folder, objects), EpochSeed(7), self.buffer],
        )


def main() -> None:
    training = Training(Path(sys.argv[1]))

    @training.trainer.on(Events.ITERATION_COMPLETED(once=(KILLED_EPOCH - 1) * ITERATIONS + 2))
    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    training.trainer.run()


if __name__ == "__main__":
    main()
