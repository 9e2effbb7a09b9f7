"""Public data sets and users' own folders as MONAI data lists, split by patient."""

from .acdc import acdc_datalist
from .drishti_gs1 import drishti_gs1_datalist, drishti_gs1_label
from .folds import cross_validation_part
from .image_folder import image_folder_datalist
from .optic_disc_cup import optic_disc_cup_datalist
from .sunnybrook import sunnybrook_datalist

__all__ = [
    "acdc_datalist",
    "cross_validation_part",
    "drishti_gs1_datalist",
    "drishti_gs1_label",
    "image_folder_datalist",
    "optic_disc_cup_datalist",
    "sunnybrook_datalist",
]
