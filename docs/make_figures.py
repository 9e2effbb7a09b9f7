"""Draw the pictures of the docs anew, from seeded phantoms and the shipped weights."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.predict import predict
from monai_lsext.data.phantoms import fundus_phantom
from monai_lsext.registry import find_bundle
from monai_lsext.visualize import draw_evolution_strip

BUNDLE = "racenet_optic_disc_cup"
CROP_SEED, PHOTOGRAPH_SEED = 3, 5


def draw_evolution(target: Path) -> None:
    """Strip of the two contours' evolution on a crop, with the truth."""
    phantom = fundus_phantom(CROP_SEED)
    runner = BundleRunner(find_bundle(BUNDLE), device="cpu", roi="none")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        Image.fromarray(phantom.image).save(path)
        image = runner.preprocessing({"image": str(path)})["image"]
    steps = runner.network.evolve(image[None].as_tensor())
    size = tuple(image.shape[1:])
    small = Image.fromarray(phantom.label).resize(size, Image.Resampling.NEAREST)
    photograph = Image.fromarray(phantom.image).resize(size)
    label = np.asarray(small).T
    draw_evolution_strip(
        np.asarray(photograph).transpose(2, 1, 0),
        [step[0].detach() for step in steps],
        np.stack([label >= 1, label == 2]),
        target,
    )


def draw_overlay(target: Path) -> None:
    """What `predict` writes for a whole photograph."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        Image.fromarray(fundus_phantom(PHOTOGRAPH_SEED, view="full").image).save(path)
        predict(BUNDLE, str(path), folder)
        shutil.copy(Path(folder) / "phantom_overlay.png", target)


def main() -> None:
    """Write all pictures."""
    docs = find_bundle(BUNDLE) / "docs"
    draw_evolution(docs / "evolution.png")
    draw_overlay(docs / "overlay.png")
    shutil.copy(docs / "evolution.png", Path(__file__).parent / "images" / "evolution.png")


if __name__ == "__main__":
    main()
