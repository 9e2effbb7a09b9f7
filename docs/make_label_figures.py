"""Draw the pictures of `how-to/monai-label.md` anew, from seeded phantoms and the weights that the bundles ship."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from monai_lsext.apps.label.refine import refined_label
from monai_lsext.apps.label.served import ServedBundle
from monai_lsext.data.phantoms import nuclei_phantom, short_axis_phantom
from monai_lsext.registry import find_bundle

IMAGES = Path(__file__).parent / "images"
HEART_SEED, CELLS_SEED = 103, 105  # other phantoms than the demonstration's
SLICES, HALF_PX = (3, 5), 50
CELL = (111, 196)  # row and column in a nucleus
SMOOTHNESS = 10.0
BRUSH_PX = 4  # side of the squares of which the rough label is made

Clicks = Sequence[Sequence[float]]


def hearts() -> tuple[np.ndarray, np.ndarray]:
    """Two slices about the left ventricle, side by side: grey values [H, W] and the cavity [W, H]."""
    frame = short_axis_phantom(HEART_SEED).ed
    parts, cavities = [], []
    for index in SLICES:
        x, y = np.argwhere(frame.label[..., index] == 3).mean(0).round().astype(int)
        part = frame.image[x - HALF_PX : x + HALF_PX, y - HALF_PX : y + HALF_PX, index].astype(float)
        low, high = np.percentile(part, (0.5, 99.5))
        parts.append(((part - low) / (high - low) * 255).clip(0, 255).astype(np.uint8))
        cavities.append(frame.label[x - HALF_PX : x + HALF_PX, y - HALF_PX : y + HALF_PX, index] == 3)
    return np.concatenate(parts).T, np.concatenate(cavities)


def show(axes: Any, title: str, picture: np.ndarray, mask: np.ndarray, clicks: Clicks = (), sent: bool = False) -> None:
    """A picture with what was sent (blue: clicks, a label) or came back (orange); the mask is [W, H]."""
    axes.imshow(picture, cmap="gray")
    axes.contour((mask > 0).T, levels=[0.5], colors="blue" if sent else "orange", linewidths=1.8)
    if clicks:
        axes.plot(*np.transpose(clicks), "+", color="blue", markersize=11, markeredgewidth=2)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def draw_answers(target: Path) -> None:
    """What the server answers to a click, to two, to a click on one of many, and to `refine`."""
    heart, cavity = hearts()
    rough = cavity[::BRUSH_PX, ::BRUSH_PX].repeat(BRUSH_PX, 0).repeat(BRUSH_PX, 1)
    cells = nuclei_phantom(CELLS_SEED)
    nucleus = np.argwhere(cells.instances[CELL] == cells.instances.T).mean(0).tolist()
    middles = [[HALF_PX, HALF_PX], [3 * HALF_PX, HALF_PX]]
    asked = {
        "one": ("edpcnn_left_ventricle: a click", heart, middles[:1]),
        "two": ("edpcnn_left_ventricle: two clicks", heart, middles),
        "many": ("racenet_nuclei: a click", cells.image, [nucleus]),
    }
    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplot_mosaic([["one", "two", "many"], ["rough", "refined", "many"]])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        for place, (title, picture, clicks) in asked.items():
            Image.fromarray(picture).save(path)
            bundle = ServedBundle(find_bundle(title.partition(":")[0]), Path(folder) / "tuned")
            found, _ = bundle.segment(bundle.runner(), {"image": str(path), "foreground": clicks})
            show(panels[place], title, picture, found.label_map, clicks)
        Image.fromarray(heart).save(path)
        refined = refined_label(rough.astype(int), str(path), {"smoothness": SMOOTHNESS})
        show(panels["rough"], "a rough label", heart, rough, sent=True)
        show(panels["refined"], f"refine, smoothness {SMOOTHNESS:g}", heart, refined)
    figure.savefig(target, dpi=90)
    Image.open(target).convert("RGB").quantize(128).save(target, optimize=True)


def draw_parts(target: Path) -> None:
    """Where the viewers, the password and the server are."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    axes = figure.subplots()
    boxes = {
        "viewer": (0.0, "3D Slicer\nOHIF\nQuPath", "other machines"),
        "door": (3.2, "web server or ssh\ncertificate, password", "port 443 or 22"),
        "server": (6.4, "MONAI Label\nevery bundle, refine", "127.0.0.1:8000"),
        "files": (9.6, "folder\nimages, labels\nlabel_app: weights", "read and written"),
    }
    for left, text, below in boxes.values():
        axes.add_patch(FancyBboxPatch((left, 0), 2.2, 1.2, boxstyle="round,pad=0.1", facecolor="#e3f2fd"))
        axes.text(left + 1.1, 0.6, text, ha="center", va="center", fontsize=9)
        axes.text(left + 1.1, -0.35, below, ha="center", va="center", fontsize=8, color="dimgray")
    for end, _, _ in list(boxes.values())[1:]:
        axes.annotate("", (end - 0.12, 0.6), (end - 0.88, 0.6), arrowprops={"arrowstyle": "<->"})
    axes.add_patch(FancyBboxPatch((3.0, -0.6), 9.0, 2.2, boxstyle="round,pad=0.1", fill=False, linestyle="--"))
    axes.text(3.1, 1.75, "your machine", ha="left", va="bottom", fontsize=9)
    axes.set(xlim=(-0.3, 12.3), ylim=(-0.9, 2.2))
    axes.set_axis_off()
    figure.savefig(target, dpi=90)


def main() -> None:
    """Both pictures."""
    draw_parts(IMAGES / "label_parts.png")
    draw_answers(IMAGES / "label_answers.png")


if __name__ == "__main__":
    main()
