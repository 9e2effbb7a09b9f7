"""Draw the pictures of the nuclei bundle's docs anew, from seeded phantoms and the weights that the bundle ships."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.predict import predict
from monai_lsext.data.phantoms import nuclei_phantom
from monai_lsext.registry import find_bundle
from monai_lsext.visualize import draw_evolution_strip

BUNDLE = "racenet_nuclei"
WINDOW_SEED, PICTURE_SEED = 1003, 1000
SIDE = 128


def main() -> None:
    """Write the strip of one window's evolution, and what `predict` writes for a picture of 256 by 256."""
    docs = find_bundle(BUNDLE) / "docs"
    runner = BundleRunner(docs.parent, device="cpu")
    phantom = nuclei_phantom(WINDOW_SEED, (SIDE, SIDE))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        Image.fromarray(phantom.image).save(path)
        image = runner.preprocessing({"image": str(path)})["image"]
        with torch.no_grad():
            steps = runner.network.evolve(image[None].as_tensor())
        truth = (phantom.instances > 0).T[None]
        draw_evolution_strip(
            phantom.image.transpose(2, 1, 0), [step[0] for step in steps], truth, docs / "evolution.png"
        )
        Image.fromarray(nuclei_phantom(PICTURE_SEED).image).save(path)
        predict(BUNDLE, str(path), f"{folder}/out")
        Image.open(Path(folder) / "out" / "phantom_overlay.png").convert("RGB").save(docs / "overlay.jpg", quality=90)


if __name__ == "__main__":
    main()
