"""Writers for MONAI's ``SaveImage`` whose files are whole or not there: a killed run leaves no half file."""

from __future__ import annotations

from typing import Any

from monai.config import PathLike
from monai.data import NibabelWriter, PILWriter

from monai_lsext.atomic import replace_when_done

__all__ = ["WholeNibabelWriter", "WholePILWriter"]


class WholePILWriter(PILWriter):
    """MONAI's ``PILWriter`` that writes under a temporary name and renames."""

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write the picture; its format follows the suffix of ``filename``."""
        with replace_when_done(filename) as temporary:
            super().write(temporary, verbose=verbose, **kwargs)


class WholeNibabelWriter(NibabelWriter):
    """MONAI's ``NibabelWriter`` that writes under a temporary name and renames."""

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write the volume."""
        with replace_when_done(filename) as temporary:
            super().write(temporary, verbose=verbose, **kwargs)
