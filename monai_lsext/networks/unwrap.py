"""The network inside the wrapper of several processes or GPUs."""

from __future__ import annotations

from typing import Any

from torch.nn.parallel import DataParallel, DistributedDataParallel

__all__ = ["unwrapped"]


def unwrapped(item: Any) -> Any:
    """The network that DataParallel or DistributedDataParallel holds; anything else as it is."""
    return item.module if isinstance(item, (DataParallel, DistributedDataParallel)) else item
