"""An application for MONAI Deploy: DICOM series in, a bundle of this project, DICOM SEG out."""
