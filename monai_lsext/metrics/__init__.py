"""Metrics that MONAI lacks: boundaries, cup-to-disc ratio, objects found or missed, pixel scores, volumes, masks."""

from .averaged_hausdorff import AveragedHausdorffDistance, averaged_hausdorff_distance
from .boundary_localization import BoundaryLocalizationError, boundary_radii, compute_boundary_localization_error
from .cup_to_disc_ratio import CupToDiscRatioError, vertical_cup_to_disc_ratio
from .instance_average_precision import InstanceAveragePrecision
from .pixel_score import PixelScore
from .presence_error import PresenceError
from .volume_error import VolumeError

__all__ = [
    "AveragedHausdorffDistance",
    "BoundaryLocalizationError",
    "CupToDiscRatioError",
    "InstanceAveragePrecision",
    "PixelScore",
    "PresenceError",
    "VolumeError",
    "averaged_hausdorff_distance",
    "boundary_radii",
    "compute_boundary_localization_error",
    "vertical_cup_to_disc_ratio",
]
