"""Transforms that MONAI lacks: checks of images and labels, initial level sets, regions, slices, a net's last step."""

from .as_volume import AsVolumed
from .grey_image import GreyImaged
from .image_checks import CheckImaged, CheckImageFiled
from .in_plane_resize import ResizeInPlane, ResizeInPlaned
from .initial_level_set import InitialLevelSet, InitialLevelSetd
from .label_checks import CheckLabeld
from .label_on_grid import LabelOnGridd
from .last_step import LastStep, LastStepd
from .level_set_refined import LevelSetRefine, LevelSetRefined
from .load_instances import LoadInstancesd
from .load_slice import LoadSliced
from .missing_label import FillMissingLabeld
from .number_components import NumberComponentsd
from .object_centre import ObjectCentred
from .object_window import ObjectWindowd
from .optic_disc_finder import Circle, find_optic_disc
from .optic_disc_roi import OpticDiscROI, OpticDiscROId
from .patch_pca_noise import PatchPCANoise, PatchPCANoised, patch_pca
from .save_objects import SaveObjectsd
from .slice_runs import RandSliceRund, RandSliceWindowd
from .slices import RandSliced, SelectSliced
from .spacing_only import SpacingOnlyd
from .window_intensity import WindowIntensityd

__all__ = [
    "AsVolumed",
    "CheckImageFiled",
    "CheckImaged",
    "CheckLabeld",
    "Circle",
    "FillMissingLabeld",
    "GreyImaged",
    "InitialLevelSet",
    "InitialLevelSetd",
    "LabelOnGridd",
    "LastStep",
    "LastStepd",
    "LevelSetRefine",
    "LevelSetRefined",
    "LoadInstancesd",
    "LoadSliced",
    "NumberComponentsd",
    "ObjectCentred",
    "ObjectWindowd",
    "OpticDiscROI",
    "OpticDiscROId",
    "PatchPCANoise",
    "PatchPCANoised",
    "RandSliceRund",
    "RandSliceWindowd",
    "RandSliced",
    "ResizeInPlane",
    "ResizeInPlaned",
    "SaveObjectsd",
    "SelectSliced",
    "SpacingOnlyd",
    "WindowIntensityd",
    "find_optic_disc",
    "patch_pca",
]
