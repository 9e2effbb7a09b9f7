"""Writers for MONAI's ``SaveImage`` whose files are whole or not there: a killed run leaves no half file."""

from __future__ import annotations

from typing import Any

from monai.config import NdarrayOrTensor, PathLike
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
    """MONAI's ``NibabelWriter`` that writes under a temporary name and renames; one slice remains a volume."""

    def set_data_array(
        self, data_array: NdarrayOrTensor, channel_dim: int | None = 0, squeeze_end_dims: bool = True, **kwargs: Any
    ) -> None:
        """Take the data; of a volume [1, W, H, D] all three axes stay, also those of length 1."""
        super().set_data_array(data_array, channel_dim, squeeze_end_dims, **kwargs)
        if channel_dim == 0 and data_array.ndim == 4 and len(data_array) == 1:
            self.data_obj = self.data_obj.reshape(data_array.shape[1:])

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write the volume."""
        with replace_when_done(filename) as temporary:
            super().write(temporary, verbose=verbose, **kwargs)
