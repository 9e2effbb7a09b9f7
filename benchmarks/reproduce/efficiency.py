"""The section on numbers of training images: one table for each data set, and the picture of the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce.steps import ROOT

STEP = "edpcnn_left_ventricle/sample_efficiency"
PICTURE = ROOT / "docs" / "images" / "sample_efficiency.png"
DATA = {"ACDC": "", "Sunnybrook": "sunnybrook "}
TEXT = """## How few images are enough

Dice of the left ventricle against the number of labelled training slices, trained on ACDC: means over the test slices
with a ventricle; U-Net and EDPCNN with 5 and 10 images over three seeds, their range in brackets. Sunnybrook is another
hospital; nothing was trained or chosen on it. All but FCN-levelset get the ventricle's true centre: EDPCNN draws its
contour around it, the others keep the component that holds it. All see about 3,000 slices, drawn anew from those that
are labelled; FCN-levelset is trained as by its own bundle (a much smaller network, more iterations), also on all other
slices of these patients, without their labels. RACE-net is likely far from converged: in its own bundles it trains
several times as long.

![Dice against the number of labelled training images](images/sample_efficiency.png)
"""


def efficiency_lines(records: dict[str, dict[str, Any]]) -> list[str]:
    """The section, or nothing as long as the step has not been run."""
    if STEP not in records:
        return []
    lines = [TEXT]
    for data, points in efficiency_points(records[STEP]["methods"]).items():
        numbers = sorted({number for by_number in points.values() for number in by_number})
        lines += [f"| {data}, images | {' | '.join(map(str, numbers))} |", "|" + " --- |" * (len(numbers) + 1)]
        best = {number: max(np.mean(of[number]) for of in points.values() if number in of) for number in numbers}
        for title, by_number in points.items():
            cells = [_cell(by_number.get(number), float(best[number])) for number in numbers]
            lines.append(f"| {title} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def _cell(dice: list[float] | None, best: float) -> str:
    """The mean over seeds, bold where no method has a better one, and the range of several seeds."""
    if dice is None:
        return ""
    mean = float(np.mean(dice))
    reach = f" ({min(dice):.3f} to {max(dice):.3f})" if len(dice) > 1 else ""
    return (f"**{mean:.3f}**" if mean == best else f"{mean:.3f}") + reach


def efficiency_points(methods: dict[str, Any]) -> dict[str, dict[str, dict[int, list[float]]]]:
    """Data set -> method -> number of images -> Dice of each seed."""
    from benchmarks.sample_efficiency import ALL_IMAGES, rows

    panels: dict[str, dict[str, dict[int, list[float]]]] = {}
    for data, prefix in DATA.items():
        for row in rows():
            record = methods.get(f"{prefix}{row.training} {row.images or 'all'} {row.evaluation}")
            if row.compared and record is not None:
                dice = np.array(record["values"]["val_mean_dice"], dtype=float).reshape(len(row.seeds), -1)
                by_number = panels.setdefault(data, {}).setdefault(row.title, {})
                by_number[row.images or ALL_IMAGES] = [float(mean) for mean in np.nanmean(dice, axis=1)]
    return panels


def draw_efficiency(records: dict[str, dict[str, Any]], path: Path = PICTURE) -> None:
    """The picture, once the step has been run."""
    from benchmarks.sample_efficiency import draw

    if STEP in records:
        draw(efficiency_points(records[STEP]["methods"]), path)
