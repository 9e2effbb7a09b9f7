"""Metrics that MONAI lacks: boundary error, cup-to-disc ratio, objects found or missed, pixel scores, volumes."""

from .averaged_hausdorff import AveragedHausdorffDistance, averaged_hausdorff_distance
from .boundary_localization import BoundaryLocalizationError, boundary_radii, compute_boundary_localization_error
from .cup_to_disc_ratio import CupToDiscRatioError, vertical_cup_to_disc_ratio
from .pixel_score import PixelScore
from .presence_error import PresenceError
from .volume_error import VolumeError

__all__ = [
    "AveragedHausdorffDistance",
    "BoundaryLocalizationError",
    "CupToDiscRatioError",
    "PixelScore",
    "PresenceError",
    "VolumeError",
    "averaged_hausdorff_distance",
    "boundary_radii",
    "compute_boundary_localization_error",
    "vertical_cup_to_disc_ratio",
]
