"""RLS conv and dense, F-ConNet and the classical level sets on one 64 x 64 image and on 64: ms per image, CPU and GPU.

The paper sets 13.5 s of Chan and Vese's method, on images of their original size, against 0.008 s of RLS on 64 x 64:
``original`` repeats that with a photograph-sized picture; all other rows have one size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from skimage.segmentation import chan_vese as scikit_image_chan_vese
from torch import Tensor, nn

from benchmarks.common import peak_memory_mib, time_in_turn_ms
from monai_lsext.evolution import chan_vese, drlse, legendre_level_set, local_intensity_clustering
from monai_lsext.networks.layers import initial_level_set
from monai_lsext.networks.nets import RLS, FConNet

SIDE, ORIGINAL = 64, (225, 300)
BATCHES = (1, 64)


def discs(batch: int, size: tuple[int, int]) -> Tensor:
    """A brighter disc in noise, [B, 1, H, W]."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side) for side in size], indexing="ij")
    generator = torch.Generator().manual_seed(0)
    disc = ((y.square() + x.square()) < 0.25).float().expand(batch, 1, -1, -1)
    return disc + 0.3 * torch.randn(disc.shape, generator=generator)


def networks() -> dict[str, Callable[[], nn.Module]]:
    """The three nets by name."""
    return {
        "RLS conv": partial(RLS, form="conv"),
        "RLS dense": partial(RLS, form="dense"),
        "F-ConNet": FConNet,
    }


def classical(image: Tensor) -> dict[str, Callable[[], Any]]:
    """The classical methods with their defaults, by name; scikit-image's on the CPU and one image after the other."""
    disk = initial_level_set("disk", image.shape[2:], image.device).expand(image.shape)
    methods: dict[str, Callable[[], Any]] = {
        "chan_vese": lambda: chan_vese(image),
        "drlse": lambda: drlse(image, disk),
        "local_intensity_clustering": lambda: local_intensity_clustering(image),
        "legendre_level_set": lambda: legendre_level_set(image),
    }
    if image.device.type == "cpu":
        pictures = image[:, 0].numpy()
        methods["scikit-image chan_vese"] = lambda: [scikit_image_chan_vese(picture) for picture in pictures]
    return methods


@torch.no_grad()
def measure(image: Tensor, runs: dict[str, Callable[[], Any]], repeats: int, input_name: str) -> list[dict[str, Any]]:
    """One row a method: ms per image of a batch, and how many times faster than scikit-image; they run in turn."""
    timed = time_in_turn_ms(list(runs.values()), 1, repeats)
    per_image = {name: row["median_ms"] / len(image) for name, row in zip(runs, timed, strict=True)}
    rival = per_image.get("scikit-image chan_vese")
    rows = []
    for (name, run), time in zip(runs.items(), timed, strict=True):
        row: dict[str, Any] = {
            "method": name,
            "device": image.device.type,
            "input": input_name,
            "batch": len(image),
            **{key: time[key] for key in ("median_ms", "iqr_ms")},
            "ms/image": round(per_image[name], 3),
        }
        if rival:
            row["faster"] = f"{rival / per_image[name]:.1f}x"
        row["peak MiB"] = peak_memory_mib(run, image.device)
        rows.append(row)
    return rows


def measured() -> dict[str, list[dict[str, Any]]]:
    """Nets and classical methods at one size on every device; then as in the paper."""
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    for device in [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available():
        nets = {name: make().eval().to(device) for name, make in networks().items()}
        for batch in BATCHES:
            image = discs(batch, (SIDE, SIDE)).to(device)
            learned = {name: partial(net, image) for name, net in nets.items()}
            repeats = 10 if batch == 1 else 3
            rows += measure(image, learned | classical(image), repeats, f"{SIDE}x{SIDE}")
        image = discs(1, ORIGINAL).to(device)
        rows += measure(image, classical(image), 3, "original {}x{}".format(*ORIGINAL))
    return {"rls": rows}
