"""Writer for MONAI's ``SaveImage`` whose files are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
from monai.config import PathLike
from monai.data import PILWriter

from monai_lsext.atomic import replace_when_done

__all__ = ["WholePILWriter"]


class WholePILWriter(PILWriter):
    """MONAI's ``PILWriter`` that writes under a temporary name and renames: a killed run leaves no half picture."""

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write the picture; its format follows the suffix of ``filename``."""
        kind = PIL.Image.registered_extensions()[Path(filename).suffix.lower()]
        with replace_when_done(filename) as temporary:
            super().write(temporary, verbose=verbose, format=kind, **kwargs)
