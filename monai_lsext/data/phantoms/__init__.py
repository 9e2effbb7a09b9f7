"""Seeded pictures with known labels, one module per object; ``PHANTOM_TASKS`` names what can be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .fundus import FundusPhantom, fundus_phantom
from .fundus_files import write_fundus_phantoms
from .short_axis import ShortAxisFrame, ShortAxisPhantom, short_axis_phantom
from .short_axis_files import write_short_axis_phantoms

__all__ = [
    "PHANTOM_TASKS",
    "FundusPhantom",
    "ShortAxisFrame",
    "ShortAxisPhantom",
    "fundus_phantom",
    "short_axis_phantom",
    "write_fundus_phantoms",
    "write_short_axis_phantoms",
]

# task -> writer(output_dir, num, seed), which gives the folder that it wrote
PHANTOM_TASKS: dict[str, Callable[[str | Path, int, int], Path]] = {
    "left_ventricle": write_short_axis_phantoms,
    "optic_disc_cup": write_fundus_phantoms,
}
