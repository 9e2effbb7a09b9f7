"""Transforms that MONAI lacks: checks of images and labels, initial level sets, regions, slices, a net's last step."""

from .image_checks import CheckImaged, CheckImageFiled
from .in_plane_resize import ResizeInPlane, ResizeInPlaned
from .initial_level_set import InitialLevelSet, InitialLevelSetd
from .label_checks import CheckLabeld
from .last_step import LastStep, LastStepd
from .level_set_refined import LevelSetRefine, LevelSetRefined
from .missing_label import FillMissingLabeld
from .number_components import NumberComponentsd
from .object_centre import ObjectCentred
from .optic_disc_finder import Circle, find_optic_disc
from .optic_disc_roi import OpticDiscROI, OpticDiscROId
from .patch_pca_noise import PatchPCANoise, PatchPCANoised, patch_pca
from .slices import RandSliced, SelectSliced

__all__ = [
    "CheckImageFiled",
    "CheckImaged",
    "CheckLabeld",
    "Circle",
    "FillMissingLabeld",
    "InitialLevelSet",
    "InitialLevelSetd",
    "LastStep",
    "LastStepd",
    "LevelSetRefine",
    "LevelSetRefined",
    "NumberComponentsd",
    "ObjectCentred",
    "OpticDiscROI",
    "OpticDiscROId",
    "PatchPCANoise",
    "PatchPCANoised",
    "RandSliced",
    "ResizeInPlane",
    "ResizeInPlaned",
    "SelectSliced",
    "find_optic_disc",
    "patch_pca",
]
