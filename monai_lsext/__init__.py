"""Learned deformable models (level sets, snakes, recurrent contours) for MONAI."""

__version__ = "0.1.0"
