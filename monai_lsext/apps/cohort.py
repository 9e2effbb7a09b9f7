"""A cohort over several processes, and what an earlier start has already done of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

__all__ = ["Workers", "earlier_report", "fingerprint"]

T = TypeVar("T")
_PATIENCE = timedelta(days=7)  # the first worker to finish waits for the last


@dataclass(frozen=True)
class Workers:
    """The processes that torchrun has started, or this one alone.

    Args:
        rank: number of this process, from 0.
        size: how many there are, on all machines.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    @contextmanager
    def joined(cls) -> Iterator[Workers]:
        """As torchrun's environment variables say, the processes joined until the end of the block."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            yield cls()
            return
        dist.init_process_group("gloo", timeout=_PATIENCE)
        try:
            yield cls(int(os.environ["RANK"]), size)
        finally:
            dist.destroy_process_group()  # its threads, where the interpreter finds them at its end, abort the process

    @property
    def device(self) -> str | None:
        """A GPU for each process where there are several processes; None, the bundle's own choice, elsewhere."""
        if self.size == 1 or not torch.cuda.is_available():
            return None
        return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"

    def share(self, items: Sequence[T]) -> list[T]:
        """Every ``size``-th of them, so that neighbours, often of one size, go to different processes."""
        return list(items[self.rank :: self.size])


def fingerprint(files: Iterable[Path], **made_by: Any) -> str:
    """SHA-256 of the content of input files, in this order, and of all else that decides the output.

    Args:
        files: of the case.
        made_by: weights, versions, options: anything that JSON can hold.
    """
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def earlier_report(folder: Path, case: str, made_from: str) -> dict[str, Any] | None:
    """The report of a case that an earlier start has done from the same input in the same way, all its files there.

    Args:
        folder: of the outputs.
        case: its name.
        made_from: :func:`fingerprint`; reports keep it under this name, and the names of their files under ``files``.
    """
    try:
        report = json.loads((folder / f"{case}_report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(report, Mapping) or report.get("made_from") != made_from:
        return None
    return dict(report) if all((folder / name).is_file() for name in report["files"]) else None
