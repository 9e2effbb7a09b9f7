"""Public data sets and users' own folders as MONAI data lists, split by patient."""

from .acdc import acdc_datalist
from .coco import coco_categories, coco_datalist
from .cpm15 import cpm15_cases
from .decathlon import decathlon_cases
from .drishti_gs1 import drishti_gs1_datalist, drishti_gs1_label
from .dsb2018 import dsb2018_cases, dsb2018_kind
from .folds import cross_validation_part
from .image_folder import image_folder_datalist, image_folder_part
from .instance_folder import instance_folder_part
from .instances import instance_datalist
from .left_ventricle import left_ventricle_datalist
from .listed_cases import ListedCases
from .liver import liver_datalist
from .nih_pancreas import nih_pancreas_cases, nih_pancreas_slices
from .nuclei import nuclei_cases, nuclei_datalist
from .optic_disc_cup import optic_disc_cup_datalist
from .pancreas import pancreas_datalist
from .partly_labelled import partly_labelled
from .single_objects import single_object_datalist
from .sunnybrook import sunnybrook_datalist
from .voc import VOC_CLASSES, voc_datalist
from .volume_folder import volume_folder_cases, volume_folder_datalist

__all__ = [
    "VOC_CLASSES",
    "ListedCases",
    "acdc_datalist",
    "coco_categories",
    "coco_datalist",
    "cpm15_cases",
    "cross_validation_part",
    "decathlon_cases",
    "drishti_gs1_datalist",
    "drishti_gs1_label",
    "dsb2018_cases",
    "dsb2018_kind",
    "image_folder_datalist",
    "image_folder_part",
    "instance_datalist",
    "instance_folder_part",
    "left_ventricle_datalist",
    "liver_datalist",
    "nih_pancreas_cases",
    "nih_pancreas_slices",
    "nuclei_cases",
    "nuclei_datalist",
    "optic_disc_cup_datalist",
    "pancreas_datalist",
    "partly_labelled",
    "single_object_datalist",
    "sunnybrook_datalist",
    "voc_datalist",
    "volume_folder_cases",
    "volume_folder_datalist",
]
