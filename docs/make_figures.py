"""Draw the pictures of the docs anew, from seeded phantoms and the network that `make demo` trained on phantoms."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from draw_overlay import draw_overlay
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.data.phantoms import fundus_phantom
from monai_lsext.registry import find_bundle
from monai_lsext.visualize import draw_evolution_strip

BUNDLE = "racenet_optic_disc_cup"
CROP_SEED, PHOTOGRAPH_SEED = 103, 107  # other phantoms than the demonstration's


def draw_evolution(bundle: Path, target: Path) -> None:
    """Strip of the two contours' evolution on a crop, with the truth."""
    phantom = fundus_phantom(CROP_SEED)
    runner = BundleRunner(bundle, device="cpu", roi="none")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        Image.fromarray(phantom.image).save(path)
        image = runner.preprocessing({"image": str(path)})["image"]
    steps = runner.network.evolve(image[None].as_tensor())
    size = tuple(image.shape[1:])
    label = np.asarray(Image.fromarray(phantom.label).resize(size, Image.Resampling.NEAREST)).T
    draw_evolution_strip(
        np.asarray(Image.fromarray(phantom.image).resize(size)).transpose(2, 1, 0),
        [step[0].detach() for step in steps],
        np.stack([label >= 1, label == 2]),
        target,
    )


def draw_photograph(bundle: Path, target: Path) -> None:
    """What `predict` writes for a whole photograph."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        Image.fromarray(fundus_phantom(PHOTOGRAPH_SEED, view="full").image).save(path)
        draw_overlay(str(bundle), path, target, trust=True)


def main(demo: str) -> None:
    """Write all pictures with the bundle that lies in the demonstration's folder."""
    bundle = Path(demo) / "bundle" / BUNDLE
    docs = find_bundle(BUNDLE) / "docs"
    draw_evolution(bundle, docs / "evolution.png")
    draw_photograph(bundle, docs / "overlay.jpg")
    shutil.copy(docs / "evolution.png", Path(__file__).parent / "images" / "evolution.png")


if __name__ == "__main__":
    main(sys.argv[1])
