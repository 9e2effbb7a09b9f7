"""Draw the overlay of a bundle's docs anew: draw_overlay.py BUNDLE IMAGE, e.g. a volume of Sunnybrook (CC0)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from monai_lsext.apps.predict import predict
from monai_lsext.registry import find_bundle


def draw_overlay(bundle: str, image: Path, target: Path, trust: bool = False, largest_px: int = 1800) -> None:
    """What `predict` draws for an image, as JPEG whose longer side has at most ``largest_px`` pixels."""
    with tempfile.TemporaryDirectory() as folder:
        predict(bundle, str(image), folder, trust=trust)
        picture = Image.open(next(Path(folder).glob("*_overlay.png"))).convert("RGB")
    picture.thumbnail((largest_px, largest_px))
    picture.save(target, quality=90)


if __name__ == "__main__":
    name, file = sys.argv[1:]
    draw_overlay(name, Path(file), find_bundle(name) / "docs" / "overlay.jpg")
