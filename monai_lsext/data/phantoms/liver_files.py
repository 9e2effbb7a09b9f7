"""Axial CT slices of abdomen phantoms through the liver, as 8-bit pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .abdomen import abdomen_phantom
from .whole_folder import write_phantoms

__all__ = ["write_liver_phantoms"]

COLUMNS = ("slice", "patient", "split")
WINDOW_HU = (-100, 240)


def write_liver_phantoms(output_dir: str | Path, num: int = 24, seed: int = 0, num_test: int | None = None) -> Path:
    """Write ``images/<slice>.png``, ``labels/<slice>.png`` (1: liver) and ``index.csv``, one slice of each patient.

    A slice lies as it is displayed, from the patient's right to the left with the front above; -100 to 240 HU are 0 to
    255. Its level is drawn among those where the liver has at least a third of its greatest area.

    Args:
        output_dir: a new or empty folder, which appears only when all is written.
        num: number of slices, >= 2.
        seed: seed of the whole set, >= 0; a longer list begins with the same slices.
        num_test: the last slices have the split ``test``, the others ``train``; default a third.

    Returns:
        the folder.

    Raises:
        ValueError: for a folder that holds something, or a number out of range.
    """
    return write_phantoms(output_dir, num, seed, num_test, COLUMNS, _write)


def _write(folder: Path, index: int, seed: int, test: bool) -> tuple[object, ...]:
    phantom, name = abdomen_phantom(seed), f"phantom_{index:04d}"
    area = phantom.liver.sum((0, 1))
    level = int(np.random.default_rng(seed).choice(np.flatnonzero(area >= area.max() / 3)))
    low, high = WINDOW_HU
    grey = np.clip((phantom.image[..., level] - low) / (high - low), 0, 1) * 255
    for kind, pixels in (("images", np.rint(grey)), ("labels", phantom.liver[..., level])):
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(pixels[::-1, ::-1].T.astype(np.uint8)).save(folder / kind / f"{name}.png")
    return name, f"patient_{index:04d}", "test" if test else "train"
