"""CRLS on one image: ms and memory of detection and of a training step, 256 x 256 and 600 pixels on the short side.

The paper: 0.54 s an image at 600 pixels with 300 boxes, VGG-16, on a GPU of 2016. The weights are untrained: the same
300 boxes go through the second and third stage whatever they hold, and up to 100 objects are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import peak_memory_mib, time_ms
from monai_lsext.networks.nets import CRLS

SIZES = ((256, 256), (600, 800))


def networks() -> dict[str, Callable[[], CRLS]]:
    """The small net that ships and the published one."""
    # without a threshold an untrained net keeps as many objects as it may
    published = partial(CRLS, backbone="vgg16", num_classes=20, anchor_sizes=(128, 256, 512), form="dense")
    return {"small": partial(CRLS, min_score=0.0), "vgg16, dense": partial(published, min_score=0.0)}


def training_step(net: CRLS, image: Tensor) -> None:
    """Losses of an image with one object, and their gradient."""
    label = torch.zeros(1, 2, *image.shape[2:], device=image.device)
    label[..., 40:160, 40:200] = 1
    losses = net.train()(image, label)
    sum(losses.values(), torch.zeros((), device=image.device)).backward()


def measure(name: str, net: CRLS, image: Tensor) -> list[dict[str, Any]]:
    """One row for detection, one for a training step."""
    parts: dict[str, Callable[[], Any]] = {
        "detect": lambda: net.eval().detect(image),
        "training step": lambda: training_step(net, image),
    }
    rows: list[dict[str, Any]] = []
    for part, run in parts.items():
        row = {
            "network": name,
            "part": part,
            "device": image.device.type,
            "size": "x".join(map(str, image.shape[2:])),
            **time_ms(run, 1, 5),
            "peak MiB": peak_memory_mib(run, image.device),
        }
        rows.append(row)
    return rows


def measured() -> dict[str, list[dict[str, Any]]]:
    """Both nets at both sizes on every device."""
    torch.manual_seed(0)
    rows = []
    for device in [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available():
        for name, make in networks().items():
            net = make().to(device)
            for size in SIZES:
                rows += measure(name, net, torch.rand(1, 3, *size, device=device))
    return {"crls": rows}
