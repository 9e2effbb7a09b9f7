"""What the contour costs: EDPCNN's training step (batch 10) and inference against the same U-Net alone, 212 x 212."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from monai.losses import DiceCELoss
from monai.networks.nets import BasicUNet

from benchmarks.common import time_in_turn_ms
from monai_lsext.engines import SyntheticGradientTrainer
from monai_lsext.networks.nets import EDPCNN, SyntheticGradientNet, UNetDP

SIDE, BATCH = 212, 10


def ventricles(batch: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Noise with a bright disc of 25 pixels, and its mask."""
    x = torch.arange(SIDE, device=device) - SIDE / 2
    mask = (x[:, None] ** 2 + x**2 < 25**2).float().expand(batch, 1, -1, -1)
    return {"image": mask + torch.randn(mask.shape, device=device), "label": mask}


def trainer(name: str, device: torch.device) -> SupervisedTrainer:
    """One of the three ways to train, with MONAI's default BasicUNet as backbone."""
    rest: dict[str, Any] = {"device": device, "max_epochs": 1, "train_data_loader": [None]}
    if name == "U-Net":
        network: torch.nn.Module = UNetDP(BasicUNet(2, 1, 1), snake=False).to(device)
        optimizer = torch.optim.Adam(network.parameters())
        loss = DiceCELoss(sigmoid=True)
        return SupervisedTrainer(network=network, optimizer=optimizer, loss_function=loss, **rest)
    network = EDPCNN(BasicUNet(2, 1, 2)).to(device)
    rest |= {"network": network, "optimizer": torch.optim.Adam(network.parameters())}
    if name == "EDPCNN, synthetic":
        imitator = SyntheticGradientNet().to(device)
        helper = {"synthetic_network": imitator, "synthetic_optimizer": torch.optim.Adam(imitator.parameters())}
        return SyntheticGradientTrainer(mode="synthetic", **helper, **rest)
    return SyntheticGradientTrainer(**rest)


def training_step(name: str, device: torch.device) -> Callable[[], Any]:
    """One iteration of the trainer."""
    engine, batch = trainer(name, device), ventricles(BATCH, device)
    engine.network.train()
    return lambda: engine._iteration(engine, batch)


def inference(name: str, device: torch.device) -> Callable[[], Any]:
    """One image to its mask's level set, the centre given (EDPCNN) or not needed."""
    engine, image = trainer(name, device), ventricles(1, device)["image"]
    network = engine.network.eval()
    centre = torch.full((1, 2), SIDE / 2, device=device)

    @torch.no_grad()
    def run() -> torch.Tensor:
        return network.backbone(image) > 0 if name == "U-Net" else network(image, centre)

    return run


def measured() -> dict[str, list[dict[str, Any]]]:
    """Time all on every device."""
    rows: list[dict[str, Any]] = []
    for device in [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available():
        for part, make in (("training step, batch 10", training_step), ("inference, batch 1", inference)):
            names = ("U-Net", "EDPCNN, exact", "EDPCNN, synthetic")[: 3 if make is training_step else 2]
            timed = time_in_turn_ms([make(name, device) for name in names], 2, 12)
            rows += [
                {"part": part, "network": name, "device": device.type, **row}
                for name, row in zip(names, timed, strict=True)
            ]
    return {"edpcnn": rows}
