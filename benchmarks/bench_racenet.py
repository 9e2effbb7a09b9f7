"""RACE-net against the paper's U-Nets, BasicUNet and UNet: parameters, time and memory in 2D (RGB) and in 3D."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from monai.networks.layers.factories import Conv, Pool
from monai.networks.nets import BasicUNet, UNet
from torch import Tensor, nn

from benchmarks.common import peak_memory_mib, time_in_turn_ms, time_ms
from monai_lsext.networks.nets import RACENet

SIZE = (256, 256)
VOLUME = (72, 104, 116)  # the paper's region around the left atrium
VOLUMES = ((40, 56, 64), (56, 80, 88), VOLUME, (96, 136, 152))


class PaperUNet(nn.Module):
    """The paper's rival: U-Net without normalisation, up-sampling by 3x3 convolutions.

    In 2D 64..1024 filters, as published. The 3D one is given by its 10,003,401 parameters alone; 40..320 filters in
    this form have 10,025,561.
    """

    def __init__(self, spatial_dims: int, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = (in_channels, *widths)
        self.spatial_dims = spatial_dims
        self.conv = Conv[Conv.CONV, spatial_dims]
        self.pool = Pool[Pool.MAX, spatial_dims](2)
        self.down = nn.ModuleList(self._block(a, b) for a, b in zip(channels, widths, strict=False))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(self.conv(a, b, 3, padding=1) for a, b in pairs)
        self.merge = nn.ModuleList(self._block(2 * b, b) for _, b in pairs)
        self.last = self.conv(widths[0], 1, 1)

    def _block(self, inputs: int, outputs: int) -> nn.Sequential:
        layers = [self.conv(inputs, outputs, 3, padding=1), nn.ReLU(), self.conv(outputs, outputs, 3, padding=1)]
        return nn.Sequential(*layers, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 1, *S]."""
        skips: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(x if index == 0 else self.pool(x))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = torch.relu(up(nn.functional.interpolate(x, size=skip.shape[2:])))
            x = merge(torch.cat([skip, x], 1))
        return self.last(x)


def networks() -> dict[str, Callable[[], nn.Module]]:
    """The rivals in 2D by name."""
    return {
        "RACE-net": lambda: RACENet(2, 3, 6, 6, (9, 7, 5, 3), initial="disk"),
        "paper's U-Net": lambda: PaperUNet(2, 3, (64, 128, 256, 512, 1024)),
        "MONAI BasicUNet": lambda: BasicUNet(2, 3, 1),
        "MONAI UNet": lambda: UNet(2, 3, 1, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2),
    }


def networks_3d() -> dict[str, Callable[[], nn.Module]]:
    """The rivals in 3D by name."""
    return {
        "RACE-net": lambda: RACENet(3, 1, 8, 7, (7, 5, 3, 3)),
        "paper's U-Net": lambda: PaperUNet(3, 1, (40, 80, 160, 320)),
        "MONAI BasicUNet": lambda: BasicUNet(3, 1, 1),
    }


@torch.no_grad()
def measure(cases: Sequence[tuple[str, nn.Module, Tensor]], repeats: int = 20) -> list[dict[str, Any]]:
    """Parameters, time and memory of networks on images [1, C, *S]; they run in turn: a slow minute slows all."""
    runs = [partial(net.eval().to(image.device), image) for _, net, image in cases]
    rows = []
    for (name, net, image), run, timed in zip(cases, runs, time_in_turn_ms(runs, 2, repeats), strict=True):
        row: dict[str, Any] = {
            "network": name,
            "device": image.device.type,
            "size": "x".join(map(str, image.shape[2:])),
            "parameters": sum(p.numel() for p in net.parameters()),
            **{key: timed[key] for key in ("median_ms", "iqr_ms")},
        }
        row["peak MiB"] = peak_memory_mib(run, image.device)
        rows.append(row)
    return rows


@torch.no_grad()
def measure_2d(name: str, net: nn.Module, device: torch.device) -> list[dict[str, Any]]:
    """As :func:`measure`; then the same network in channels_last, and compiled."""
    image = torch.rand(1, 3, *SIZE, device=device)
    (row,) = measure([(name, net, image)])
    net, image = net.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
    forms = {"channels_last": net, "compiled": torch.compile(net)}
    first = {key: row[key] for key in ("network", "device", "size", "parameters")}
    others = [{**first, "part": form, **time_ms(partial(one, image))} for form, one in forms.items()]
    return [row, *others]


def compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with how many times faster each is than the two rivals that are measured at its size."""
    keys = ("network", "device", "size", "part")
    times = {tuple(row.get(key) for key in keys): row["median_ms"] for row in rows}
    for row in rows:
        for rival in ("paper's U-Net", "MONAI BasicUNet"):
            theirs = times.get((rival, *(row.get(key) for key in keys[1:])))
            if theirs is not None:
                row[f"faster than {rival}"] = f"{theirs / row['median_ms']:.1f}x"
    return rows


def measured() -> dict[str, list[dict[str, Any]]]:
    """All networks on the CPU, and on the GPU where there is one; RACE-net in 3D at several sizes."""
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    flat = [row for device in devices for name, make in networks().items() for row in measure_2d(name, make(), device)]
    rows = []
    for device in devices:
        image_of = {size: torch.rand(1, 1, *size, device=device) for size in VOLUMES}
        rivals = [(name, make(), image_of[VOLUME]) for name, make in networks_3d().items() if name != "RACE-net"]
        rows += measure([*(("RACE-net", networks_3d()["RACE-net"](), image_of[size]) for size in VOLUMES), *rivals], 5)
    for row in rows:
        voxels = math.prod(map(int, row["size"].split("x")))
        row["ms per million voxels"] = round(1e6 * row["median_ms"] / voxels, 1)
    return {"racenet": compared(flat), "racenet_3d": compared(rows)}
