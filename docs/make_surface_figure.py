"""Draw the evolution of the left atrium's surface anew, from a seeded phantom and weights trained on phantoms.

Train the bundle on phantoms at 2.5 mm first, as its docs say; then: make_surface_figure.py WEIGHTS [OUTPUT.png]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from matplotlib.figure import Figure
from monai.bundle import ConfigParser
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from skimage.measure import marching_cubes

from monai_lsext.data.phantoms import AtriumPhantom, atrium_phantom
from monai_lsext.registry import find_bundle

BUNDLE, SEED = "racenet_left_atrium", 2001
SPACING_MM, ROI = 2.5, [44, 36, 24]
TRUTH, SURFACE = "#9e9e9e", "#2979ff"


def evolution(weights: str, phantom: AtriumPhantom) -> list[np.ndarray]:
    """Level sets of all steps, the start first, on the network's grid."""
    parser = ConfigParser()
    parser.read_config(find_bundle(BUNDLE) / "configs" / "inference.yaml")
    parser["spacing_mm"], parser["roi_size"] = [SPACING_MM] * 3, ROI
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.nii.gz"
        affine = np.diag([phantom.spacing_mm] * 3 + [1])
        nib.nifti1.save(nib.nifti1.Nifti1Image(phantom.image, affine), path)
        image = parser.get_parsed_content("preprocessing")({"image": str(path)})["image"]
    with torch.no_grad():
        return [step[0, 0].numpy() for step in network.evolve(image[None].as_tensor())]


def draw(phi: np.ndarray, level: float, side_mm: float, colour: str, title: str, figure: Figure, place: int) -> None:
    """One surface, seen from the back and above, closed at the border of the volume."""
    axes = figure.add_subplot(2, 5, place, projection="3d")
    padded = np.pad(phi, 1, constant_values=phi.min() - 1)
    corners, faces, _, _ = marching_cubes(padded, level)
    extent = np.array(phi.shape) * side_mm
    axes.add_collection3d(Poly3DCollection((corners[faces] - 0.5) * side_mm, facecolors=colour, shade=True))
    axes.set(xlim=(0, extent[0]), ylim=(0, extent[1]), zlim=(0, extent[2]))
    axes.set_box_aspect(extent, zoom=1.35)
    axes.view_init(elev=25, azim=-70)
    axes.set_axis_off()
    axes.set_title(title, fontsize=9, y=0.95)


def main(weights: str, target: Path) -> None:
    """Write the picture: t = 0 .. T, then the truth."""
    phantom = atrium_phantom(SEED)
    figure = Figure(figsize=(11, 4.4), dpi=90)
    steps = evolution(weights, phantom)
    for t, phi in enumerate(steps):
        draw(phi, 0.0, SPACING_MM, SURFACE, f"t = {t}", figure, t + 1)
    truth = phantom.label.astype(np.float32)
    draw(truth, 0.5, phantom.spacing_mm, TRUTH, "truth", figure, len(steps) + 1)
    figure.subplots_adjust(0, 0, 1, 0.97, 0, 0.05)
    figure.savefig(target)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else find_bundle(BUNDLE) / "docs" / "evolution.png")
