"""Images, data lists and phantoms; the data lists of data sets are in ``datalists``, the phantoms in ``phantoms``."""

from .checked_dataset import CheckedDataset
from .image_file import case_name, check_image_file, image_datalist
from .image_writer import WholeNibabelWriter, WholePILWriter
from .lazy_datalist import LazyDatalist

__all__ = [
    "CheckedDataset",
    "LazyDatalist",
    "WholeNibabelWriter",
    "WholePILWriter",
    "case_name",
    "check_image_file",
    "image_datalist",
]
