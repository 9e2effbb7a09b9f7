"""Seeded pictures with known labels, one module per object; ``PHANTOM_TASKS`` names what can be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .abdomen import AbdomenPhantom, abdomen_phantom
from .abdomen_files import write_abdomen_phantoms
from .atrium import AtriumPhantom, atrium_phantom
from .atrium_files import write_atrium_phantoms
from .fundus import FundusPhantom, fundus_phantom
from .fundus_files import write_fundus_phantoms
from .liver_files import write_liver_phantoms
from .nuclei import NucleiPhantom, nuclei_phantom
from .nuclei_files import write_nuclei_phantoms
from .shapes import ShapesPhantom, shapes_phantom
from .shapes_files import write_shapes_phantoms
from .short_axis import ShortAxisFrame, ShortAxisPhantom, short_axis_phantom
from .short_axis_files import write_short_axis_phantoms
from .single_object import ObjectPhantom, object_phantom
from .single_object_files import write_object_phantoms

__all__ = [
    "PHANTOM_TASKS",
    "AbdomenPhantom",
    "AtriumPhantom",
    "FundusPhantom",
    "NucleiPhantom",
    "ObjectPhantom",
    "ShapesPhantom",
    "ShortAxisFrame",
    "ShortAxisPhantom",
    "abdomen_phantom",
    "atrium_phantom",
    "fundus_phantom",
    "nuclei_phantom",
    "object_phantom",
    "shapes_phantom",
    "short_axis_phantom",
    "write_abdomen_phantoms",
    "write_atrium_phantoms",
    "write_fundus_phantoms",
    "write_liver_phantoms",
    "write_nuclei_phantoms",
    "write_object_phantoms",
    "write_shapes_phantoms",
    "write_short_axis_phantoms",
]

# task -> writer(output_dir, num, seed), which gives the folder that it wrote
PHANTOM_TASKS: dict[str, Callable[[str | Path, int, int], Path]] = {
    "left_atrium": write_atrium_phantoms,
    "left_ventricle": write_short_axis_phantoms,
    "liver": write_liver_phantoms,
    "nuclei": write_nuclei_phantoms,
    "object": write_object_phantoms,
    "optic_disc_cup": write_fundus_phantoms,
    "pancreas": write_abdomen_phantoms,
    "shapes": write_shapes_phantoms,
}
