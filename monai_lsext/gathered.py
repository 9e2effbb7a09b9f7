"""What each of several processes has, in all of them."""

from __future__ import annotations

from typing import Any, TypeVar

import torch.distributed as dist

__all__ = ["gathered"]

T = TypeVar("T")


def gathered(mine: T) -> list[T]:
    """The value of each process of the default group in the order of their ranks; without a group this one's alone.

    All processes must call it, and each returns when all have.

    Args:
        mine: anything that can be pickled.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, mine)
    return parts
