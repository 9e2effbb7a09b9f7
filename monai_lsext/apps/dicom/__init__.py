"""DICOM series in; segmentations and reports as DICOM objects out."""
