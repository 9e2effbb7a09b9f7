"""Learned deformable models (level sets, snakes, recurrent contours) for MONAI."""

from monai_lsext.last_sentence import put_sentence_last

__version__ = "0.1.0"

put_sentence_last()
