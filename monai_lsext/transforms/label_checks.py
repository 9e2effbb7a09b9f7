"""Check of a label map right after it was loaded."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

__all__ = ["CheckLabeld"]


class CheckLabeld(MapTransform):
    """Refuses a label map that is empty, lacks a class, or holds a value that is no class.

    Args:
        keys: label maps, after ``LoadImaged`` and ``EnsureChannelFirstd``.
        classes: values that must each occur, e.g. [1, 2]; 0 is background and may.
        allow_missing_keys: as in MONAI.

    Shape:
        [1, \\*S], unchanged.

    Raises:
        ValueError: for such a label, by its file's name, with what was expected and found; when ``classes`` is empty.
    """

    def __init__(self, keys: KeysCollection, classes: Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if not classes:
            raise ValueError("`classes` must name at least one value, got none")
        self.classes = tuple(classes)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Check each label; the data come back as they were."""
        for key in self.key_iterator(dict(data)):
            found = {float(value) for value in torch.unique(torch.as_tensor(data[key]))}
            missing = [value for value in self.classes if value not in found]
            unknown = sorted(found - {0.0, *map(float, self.classes)})
            if missing or unknown:
                shown = ", ".join(f"{value:g}" for value in sorted(found)[:10])
                raise ValueError(
                    f"label {_name(data[key])}must hold {self._expected()}, got the values {shown}: {_advice(found)}"
                )
        return dict(data)

    def _expected(self) -> str:
        return ", ".join(map(str, (0, *self.classes[:-1]))) + f" and {self.classes[-1]}"


def _advice(found: set[float]) -> str:
    if found <= {0.0}:
        return "leave out a case without the object"
    return "change them in the file, or name your own by --label_values where the bundle has it"


def _name(label: Any) -> str:
    path = label.meta.get("filename_or_obj") if isinstance(label, MetaTensor) else None
    return f"{Path(str(path)).name} " if path else ""
