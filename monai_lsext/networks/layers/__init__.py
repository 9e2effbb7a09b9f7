"""Layers that MONAI lacks: level-set geometry, initial level sets and the image-pyramid CNN."""

from .image_pyramid import ImagePyramidCNN
from .initial_level_set import INITIAL_LEVEL_SETS, InitialLevelSet, initial_level_set, level_set_from_click
from .level_set import (
    dirac,
    gradient_magnitude,
    gradient_magnitude_and_curvature,
    heaviside,
    signed_distance,
)

__all__ = [
    "INITIAL_LEVEL_SETS",
    "ImagePyramidCNN",
    "InitialLevelSet",
    "dirac",
    "gradient_magnitude",
    "gradient_magnitude_and_curvature",
    "heaviside",
    "initial_level_set",
    "level_set_from_click",
    "signed_distance",
]
