"""Metrics that MONAI lacks: boundary localisation error and cup-to-disc ratio."""

from .boundary_localization import BoundaryLocalizationError, boundary_radii, compute_boundary_localization_error
from .cup_to_disc_ratio import CupToDiscRatioError, vertical_cup_to_disc_ratio

__all__ = [
    "BoundaryLocalizationError",
    "CupToDiscRatioError",
    "boundary_radii",
    "compute_boundary_localization_error",
    "vertical_cup_to_disc_ratio",
]
