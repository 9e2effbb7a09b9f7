"""A tiny training with everything that must survive an interruption; run as a script it kills itself.

usage: resumable_training.py FOLDER NUM_WORKERS
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from ignite.engine import Events
from monai.data import CacheDataset, DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, MeanDice, ValidationHandler, from_engine
from monai.losses import DiceLoss
from monai.transforms import AsDiscreted, Compose, RandFlipd, RandGaussianNoised
from torch import nn

from monai_lsext.handlers import BestModelSaver, EpochSeed, StepMetricsHandler, TrainingCheckpoint

EPOCHS, KILLED_EPOCH, ITERATIONS = 6, 4, 3


def items(count: int, seed: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        centre = 4 + 4 * torch.rand(2, generator=generator)
        x = torch.arange(12.0)
        label = ((x[:, None] - centre[0]) ** 2 + (x - centre[1]) ** 2 < 9).float()[None]
        made.append({"image": label + 0.5 * torch.randn(label.shape, generator=generator), "label": label})
    return made


class Training:
    """Network, optimiser, schedule and both engines, made from scratch."""

    def __init__(self, folder: Path, num_workers: int = 0, epochs: int = EPOCHS, interval: int = 1) -> None:
        generator = torch.Generator().manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(4, 1, 3, padding=1)
        )
        for parameter in self.network.parameters():
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.02)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=2, gamma=0.5)
        self.best_path = folder / "model.pt"
        self.evaluator = SupervisedEvaluator(
            device="cpu",
            val_data_loader=DataLoader(items(3, seed=1), batch_size=3),
            network=self.network,
            postprocessing=AsDiscreted("pred", threshold=0.0),
            key_val_metric={"dice": MeanDice(output_transform=from_engine(["pred", "label"]))},
            val_handlers=[BestModelSaver(self.network, self.best_path)],
        )
        random = Compose([RandFlipd(["image", "label"], prob=0.5), RandGaussianNoised("image", prob=0.5)])
        dataset = CacheDataset(items(2 * ITERATIONS, seed=2), random, progress=False)
        objects = {"model": self.network, "optimizer": self.optimizer, "lr_scheduler": self.scheduler}
        self.trainer = SupervisedTrainer(
            device="cpu",
            max_epochs=epochs,
            train_data_loader=DataLoader(dataset, batch_size=2, shuffle=True, num_workers=num_workers),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=DiceLoss(sigmoid=True),
            train_handlers=[
                TrainingCheckpoint(folder, objects, self.evaluator),
                EpochSeed(7),
                ValidationHandler(interval, self.evaluator),
                LrScheduleHandler(self.scheduler, print_lr=False),
                StepMetricsHandler(DiceLoss(sigmoid=True), folder / "steps.csv"),
            ],
        )
        self.epochs_run: list[int] = []
        self.trainer.add_event_handler(
            Events.EPOCH_COMPLETED, lambda engine: self.epochs_run.append(engine.state.epoch)
        )


def main() -> None:
    training = Training(Path(sys.argv[1]), int(sys.argv[2]))

    @training.trainer.on(Events.ITERATION_COMPLETED(once=(KILLED_EPOCH - 1) * ITERATIONS + 2))
    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    training.trainer.run()


if __name__ == "__main__":
    main()
