"""Chan-Vese against scikit-image and SimpleITK at equal iterations: ms per iteration and million points, 2D and 3D.

A step cannot beat the bandwidth of the memory: the means are known only after all of phi has been read, so an iteration
reads image and phi twice and writes phi once, 20 bytes a point in float32. ``bound`` is that over the bandwidth of a
copy, measured on the same device. On a machine with other work the ``best`` column is the one to compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from skimage.segmentation import chan_vese as scikit_image_chan_vese
from skimage.segmentation import morphological_chan_vese
from torch import Tensor

from benchmarks.common import time_ms
from monai_lsext.evolution import chan_vese
from monai_lsext.evolution.chan_vese import scaled_disk

BYTES_PER_POINT = 20
ITERATIONS = 10
REPEATS = 7
SHAPES = ((1, 1, 1024, 1024), (16, 1, 256, 256), (1, 1, 96, 96, 96))
RIVAL_SHAPES = ((1, 1, 512, 512), (1, 1, 96, 96, 96))

Runs = Callable[[int], Any]


def noisy_ball(shape: tuple[int, ...]) -> Tensor:
    """A bright ball in noise, [B, 1, \\*S]."""
    axes = torch.meshgrid(*[torch.linspace(-1, 1, size) for size in shape[2:]], indexing="ij")
    ball = (torch.stack(axes).square().sum(0) < 0.3).float()
    return ball + 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def ours(image: Tensor, compiled: bool, averages: str = "smooth") -> Runs:
    """Number of iterations -> a run of :func:`chan_vese`."""
    return lambda count: chan_vese(image, num_iter=count, tol=0, averages=averages, compiled=compiled)


def rivals(image: Tensor) -> dict[str, Runs]:
    """What else can run on one image [1, 1, \\*S], from the same disc."""
    array, disk = image[0, 0].numpy(), scaled_disk(image)[0, 0].numpy()
    found: dict[str, Runs] = {"scikit-image morphological": lambda n: morphological_chan_vese(array, n, disk > 0)}
    if array.ndim == 2:
        found["scikit-image"] = lambda n: scikit_image_chan_vese(
            array.astype(np.float64), 0.1, tol=0, max_num_iter=n, init_level_set=disk.astype(np.float64)
        )
    try:
        import SimpleITK as sitk  # noqa: N813
    except ImportError:
        print("SimpleITK is not installed: left out")
        return found
    feature, start = sitk.GetImageFromArray(array), sitk.GetImageFromArray(-disk)

    def dense(count: int) -> Any:
        level_set = sitk.ScalarChanAndVeseDenseLevelSetImageFilter()
        level_set.SetNumberOfIterations(count)
        level_set.SetMaximumRMSError(0.0)
        level_set.SetCurvatureWeight(0.1)
        return level_set.Execute(start, feature)

    found["SimpleITK dense"] = dense
    return found


def bandwidth_gb_s(device: torch.device) -> float:
    """Bytes read and written per second by a copy, in GB/s; the best of some."""
    source = torch.rand(1 << 25, device=device)
    target = torch.empty_like(source)
    return 8e-6 * source.numel() / time_ms(lambda: target.copy_(source), 3, 20)["best_ms"]


def measure(method: str, run: Runs, shape: tuple[int, ...], device: str, repeats: int = REPEATS) -> dict[str, Any]:
    """One row: the time of ITERATIONS more iterations, so that scaling, start and compilation do not count."""
    points = math.prod(shape) / 1e6
    run(1)
    short, long = (time_ms(partial(run, count), 1, repeats) for count in (1, 1 + ITERATIONS))
    per = {name: (long[f"{name}_ms"] - short[f"{name}_ms"]) / ITERATIONS / points for name in ("median", "best")}
    return {
        "method": method,
        "device": device,
        "size": "x".join(map(str, shape)),
        **{key: long[key] for key in ("median_ms", "iqr_ms")},
        "ms/iteration/Mpoint": round(per["median"], 2),
        "best/iteration/Mpoint": round(per["best"], 2),
    }


def measured() -> dict[str, list[dict[str, Any]]]:
    """Ours on the CPU, and on the GPU where there is one; the rivals on the CPU."""
    rows = []
    for device in [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available():
        bound = BYTES_PER_POINT / bandwidth_gb_s(device)  # ms for a million points
        for shape in SHAPES:
            image = noisy_ball(shape).to(device)
            for name, compiled in (("chan_vese", False), ("chan_vese, compiled", True)):
                row = measure(name, ours(image, compiled), shape, device.type)
                rows.append(
                    {**row, "bound": round(bound, 3), "of the bound": round(row["best/iteration/Mpoint"] / bound, 1)}
                )
    for shape in RIVAL_SHAPES:
        image = noisy_ball(shape)
        rows += [measure(name, run, shape, "cpu", 3) for name, run in rivals(image).items()]
    return {"level_set": rows}
