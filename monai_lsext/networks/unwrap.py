"""The network inside the wrapper of several processes or GPUs, and parts of it."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

__all__ = ["unwrapped", "wrapped_part"]


def unwrapped(item: Any) -> Any:
    """The network that DataParallel or DistributedDataParallel holds; anything else as it is."""
    return item.module if isinstance(item, (DataParallel, DistributedDataParallel)) else item


def wrapped_part(network: nn.Module, name: str) -> nn.Module:
    """A submodule by its name, for a training of it alone: wrapped by DistributedDataParallel if the network is."""
    part: nn.Module = unwrapped(network).get_submodule(name)
    if isinstance(network, DistributedDataParallel):
        return DistributedDataParallel(part, device_ids=network.device_ids)
    return part
