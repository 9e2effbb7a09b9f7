"""Public data sets and users' own folders as MONAI data lists, split by patient."""

from .drishti_gs1 import drishti_gs1_datalist, drishti_gs1_label
from .folds import cross_validation_part
from .image_folder import image_folder_datalist
from .optic_disc_cup import optic_disc_cup_datalist

__all__ = [
    "cross_validation_part",
    "drishti_gs1_datalist",
    "drishti_gs1_label",
    "image_folder_datalist",
    "optic_disc_cup_datalist",
]
