"""What MONAI Label 0.8 expects of torchvision and pydicom and does not find."""

from __future__ import annotations

import sys

import torch

__all__ = ["prepare_monailabel"]

_LIBRARIES: list[torch.library.Library] = []  # a declaration ends with its object
_OPERATORS = ("nms", "qnms")


def prepare_monailabel() -> None:
    """Make ``import monailabel`` work; to be called before it, in each process.

    - torchvision without its compiled part cannot be imported for want of the declarations of its operators ``nms`` and
      ``qnms``; nothing here calls them.
    - ``pydicom-seg`` imports a private module that pydicom 3 has renamed to ``pydicom.uid``.
    """
    import pydicom.uid

    sys.modules.setdefault("pydicom._storage_sopclass_uids", pydicom.uid)
    if _LIBRARIES:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _OPERATORS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
