"""Draw the picture of crls_nuclei's docs anew: make_crls_figures.py FOLDER, the Data Science Bowl 2018 (CC0)."""

from __future__ import annotations

import sys

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.overlay import draw_panel
from monai_lsext.apps.segmentation import Segmentation
from monai_lsext.data.datalists import nuclei_datalist
from monai_lsext.data.datalists.dsb2018 import KINDS
from monai_lsext.registry import bundle_info, find_bundle

BUNDLE = "crls_nuclei"
SIDE_PX = 256  # of the shown corner


def main(dataset_dir: str) -> None:
    """For the first test picture of each kind, on the left the expert's outlines, on the right those found."""
    folder = find_bundle(BUNDLE)
    runner, info = BundleRunner(folder, device="cpu"), bundle_info(BUNDLE, {})
    figure = Figure(figsize=(7.2, 10.8), layout="constrained")
    for row, kind in zip(figure.subplots(len(KINDS), 2), KINDS, strict=True):
        item = nuclei_datalist(dataset_dir, "test", kinds=[kind])[0]
        pixels = np.asarray(Image.open(item["image"]).convert("RGB"))[:SIDE_PX, :SIDE_PX]
        found = runner(runner.load({"image": item["image"]}))[0][0].numpy().round().astype(int)
        truth = np.asarray(Image.open(item["label"])).astype(int).T
        for axes, instances, title in zip(row, (truth, found), ("expert", "CRLS"), strict=True):
            instances = instances[:SIDE_PX, :SIDE_PX]
            draw_panel(axes, pixels, 1.0, Segmentation((instances > 0).astype(int), instances), info)
            axes.set_title(f"{title}: {len(np.unique(instances)) - 1} nuclei", fontsize=9)
    path = folder / "docs" / "nuclei.png"
    figure.savefig(path, dpi=100)
    Image.open(path).convert("RGB").save(path.with_suffix(".jpg"), quality=88)
    path.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
