"""Draw the pictures of `gallery.md` anew: draw_gallery.py DATA, a `predict` with the shipped weights for each bundle.

Nothing was trained or chosen on these images. DATA: folders as for `make reproduce`; Sunnybrook and the Data Science
Bowl 2018 are CC0, NIH Pancreas-CT is CC BY 3.0. The others are phantoms.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from draw_overlay import draw_overlay
from PIL import Image

from monai_lsext.data.datalists import nuclei_datalist, pancreas_datalist
from monai_lsext.data.phantoms import PHANTOM_TASKS, fundus_phantom

IMAGES = Path(__file__).parent / "images" / "gallery"
SEED = 103
PHANTOMS = {"fcn_levelset_liver": "liver", "rls_object": "object"}


def real_images(data: Path) -> dict[str, Path]:
    """Bundle -> image of its test part."""
    heart = data / "sunnybrook" / "nifti" / "SCD0000101_ED_img.nii.gz"
    cells = {kind: nuclei_datalist(data / "dsb2018", "test", kinds=[kind]) for kind in ("colour", "fluorescence")}
    slices = pancreas_datalist(data / "nih_pancreas_2d", "test", test_fold=0)
    return {
        "edpcnn_left_ventricle": heart,
        "fcn_levelset_left_ventricle": heart,
        "racenet_nuclei": Path(cells["colour"][0]["image"]),
        "crls_nuclei": Path(cells["fluorescence"][0]["image"]),
        "pnet_birnn_pancreas": Path(slices[0]["image"]),
    }


def phantom_images(folder: Path) -> dict[str, Path]:
    """Bundle -> a phantom drawn into the folder."""
    photograph = folder / "photograph.png"
    Image.fromarray(fundus_phantom(SEED, view="full").image).save(photograph)
    for task in PHANTOMS.values():
        PHANTOM_TASKS[task](folder / task, 2, SEED)
    drawn = {bundle: min((folder / task / "images").iterdir()) for bundle, task in PHANTOMS.items()}
    return {"racenet_optic_disc_cup": photograph, **drawn}


def main(data: str) -> None:
    """All pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for bundle, image in {**phantom_images(Path(folder)), **real_images(Path(data))}.items():
            draw_overlay(bundle, image, IMAGES / f"{bundle}.jpg", largest_px=1000)


if __name__ == "__main__":
    main(sys.argv[1])
