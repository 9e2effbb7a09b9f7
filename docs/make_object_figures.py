"""Draw the pictures of the bundle `rls_object` anew, from seeded phantoms and the weights that the bundle ships."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from draw_overlay import draw_overlay
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.data.phantoms import object_phantom
from monai_lsext.registry import find_bundle
from monai_lsext.visualize import draw_evolution_strip

BUNDLE = "rls_object"
SEEDS = (1004, 1001, 1010, 1013)
PICTURE_SEED, PICTURE_SIZE = 1002, (240, 320)


@torch.no_grad()
def _readings(runner: BundleRunner, image: torch.Tensor) -> list[torch.Tensor]:
    """The start, then what the net would say after each step: the object's logit less the ground's."""
    start, *steps = runner.network.evolve(torch.as_tensor(image)[None])
    logits = [runner.network.output(step)[0] for step in steps]
    return [start[0], *(object_ - ground for ground, object_ in (two.split(1) for two in logits))]


def draw_strips(runner: BundleRunner, folder: Path, target: Path) -> None:
    """Evolutions of several phantoms, one below the other."""
    strips = []
    for seed in SEEDS:
        phantom, path = object_phantom(seed, (64, 64)), folder / f"{seed}.png"
        Image.fromarray(phantom.image).save(path)
        image = runner.preprocessing({"image": str(path)})["image"]
        draw_evolution_strip(phantom.image.T[None], _readings(runner, image), phantom.mask.T[None], path)
        strips.append(Image.open(path).convert("RGB"))
    width, height = strips[0].size
    picture = Image.new("RGB", (width, height * len(strips)), "white")
    for row, strip in enumerate(strips):
        picture.paste(strip, (0, row * height))
    picture.quantize(128).save(target, optimize=True)


def main() -> None:
    """Write the evolutions, and what `predict` writes for one picture."""
    docs = find_bundle(BUNDLE) / "docs"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_strips(BundleRunner(docs.parent, device="cpu"), folder, docs / "evolution.png")
        Image.fromarray(object_phantom(PICTURE_SEED, PICTURE_SIZE).image).save(folder / "phantom.png")
        draw_overlay(BUNDLE, folder / "phantom.png", docs / "overlay.jpg")


if __name__ == "__main__":
    main()
