"""Layers that MONAI lacks: level-set geometry, image-pyramid CNN, star pattern, dynamic-programming snake, ConvLSTM."""

from .averaged_hausdorff import averaged_hausdorff_distance
from .contour_likelihood import contour_log_partition, contour_marginals, contour_negative_log_likelihood
from .contour_raster import polygon_signed_distance
from .conv_lstm import BidirectionalConvLSTM, ConvLSTM
from .dp_snake import legalise_contour, minimal_closed_contour, minimal_closed_contour_reference
from .image_pyramid import ImagePyramidCNN
from .initial_level_set import INITIAL_LEVEL_SETS, InitialLevelSet, initial_level_set, level_set_from_click
from .level_set import (
    dirac,
    gradient_magnitude,
    gradient_magnitude_and_curvature,
    heaviside,
    signed_distance,
)
from .rls_cell import RLSCell
from .roi_warp import roi_warp
from .star_pattern import StarPattern, smooth_contour

__all__ = [
    "INITIAL_LEVEL_SETS",
    "BidirectionalConvLSTM",
    "ConvLSTM",
    "ImagePyramidCNN",
    "InitialLevelSet",
    "RLSCell",
    "StarPattern",
    "averaged_hausdorff_distance",
    "contour_log_partition",
    "contour_marginals",
    "contour_negative_log_likelihood",
    "dirac",
    "gradient_magnitude",
    "gradient_magnitude_and_curvature",
    "heaviside",
    "initial_level_set",
    "legalise_contour",
    "level_set_from_click",
    "minimal_closed_contour",
    "minimal_closed_contour_reference",
    "polygon_signed_distance",
    "roi_warp",
    "signed_distance",
    "smooth_contour",
]
