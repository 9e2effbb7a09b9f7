"""RACE-net against the paper's U-Net and MONAI's BasicUNet and UNet: parameters, time and memory at 256x256 RGB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.networks.nets import BasicUNet, UNet
from torch import Tensor, nn

from benchmarks.common import peak_memory_mib, time_ms, write_result
from monai_lsext.networks.nets import RACENet

SIZE = 256


class PaperUNet(nn.Module):
    """The paper's rival: U-Net of 64..1024 filters, no normalisation, up-sampling by 3x3 convolutions."""

    def __init__(self, in_channels: int = 3, widths: tuple[int, ...] = (64, 128, 256, 512, 1024)) -> None:
        super().__init__()
        channels = (in_channels, *widths)
        self.down = nn.ModuleList(self._block(a, b) for a, b in zip(channels, widths, strict=False))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.merge = nn.ModuleList(self._block(2 * b, b) for _, b in pairs)
        self.last = nn.Conv2d(widths[0], 1, 1)

    @staticmethod
    def _block(inputs: int, outputs: int) -> nn.Sequential:
        layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1)]
        return nn.Sequential(*layers, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 1, H, W]."""
        skips: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(x if index == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = torch.relu(up(nn.functional.interpolate(x, scale_factor=2.0)))
            x = merge(torch.cat([skip, x], 1))
        return self.last(x)


def networks() -> dict[str, Callable[[], nn.Module]]:
    """The rivals by name."""
    return {
        "RACE-net": lambda: RACENet(2, 3, 6, 6, (9, 7, 5, 3), initial="disk"),
        "paper's U-Net": PaperUNet,
        "MONAI BasicUNet": lambda: BasicUNet(2, 3, 1),
        "MONAI UNet": lambda: UNet(2, 3, 1, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2),
    }


@torch.no_grad()
def measure(name: str, net: nn.Module, device: torch.device) -> dict[str, Any]:
    """One row: parameters, then ms in the default layout, in channels_last, and compiled."""
    net = net.eval().to(device)
    image = torch.rand(1, 3, SIZE, SIZE, device=device)
    row: dict[str, Any] = {
        "network": name,
        "device": device.type,
        "parameters": sum(p.numel() for p in net.parameters()),
        "ms": time_ms(lambda: net(image))["median_ms"],
    }
    if device.type == "cpu":
        row["peak MiB"] = peak_memory_mib(lambda: net(image))
    else:
        torch.cuda.reset_peak_memory_stats()
        net(image)
        row["peak MiB"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    net, image = net.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
    row["ms channels_last"] = time_ms(lambda: net(image))["median_ms"]
    compiled = torch.compile(net)
    row["ms compiled"] = time_ms(lambda: compiled(image))["median_ms"]
    return row


def main() -> None:
    """Measure all networks on the CPU, and on the GPU where there is one."""
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    rows = [measure(name, make(), device) for device in devices for name, make in networks().items()]
    for row in rows:
        rival = next(r for r in rows if r["network"] == "paper's U-Net" and r["device"] == row["device"])
        row["faster than paper's U-Net"] = f"{rival['ms'] / row['ms']:.1f}x"
    write_result("racenet", rows)


if __name__ == "__main__":
    main()
