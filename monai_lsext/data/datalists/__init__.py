"""Public data sets and users' own folders as MONAI data lists, split by patient."""

from .acdc import acdc_datalist
from .cpm15 import cpm15_cases
from .drishti_gs1 import drishti_gs1_datalist, drishti_gs1_label
from .dsb2018 import dsb2018_cases, dsb2018_kind
from .folds import cross_validation_part
from .image_folder import image_folder_datalist, image_folder_part
from .left_ventricle import left_ventricle_datalist
from .listed_cases import ListedCases
from .nuclei import nuclei_cases, nuclei_datalist
from .optic_disc_cup import optic_disc_cup_datalist
from .sunnybrook import sunnybrook_datalist
from .volume_folder import volume_folder_cases, volume_folder_datalist

__all__ = [
    "ListedCases",
    "acdc_datalist",
    "cpm15_cases",
    "cross_validation_part",
    "drishti_gs1_datalist",
    "drishti_gs1_label",
    "dsb2018_cases",
    "dsb2018_kind",
    "image_folder_datalist",
    "image_folder_part",
    "left_ventricle_datalist",
    "nuclei_cases",
    "nuclei_datalist",
    "optic_disc_cup_datalist",
    "sunnybrook_datalist",
    "volume_folder_cases",
    "volume_folder_datalist",
]
