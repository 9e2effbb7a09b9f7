"""The sentence that matters as the last line of a failed ``python -m monai.bundle run``."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

__all__ = ["put_sentence_last"]


def put_sentence_last() -> None:
    """In a process of MONAI's bundle command: after the traceback, say once more what went wrong."""
    if Path(sys.argv[0]).parts[-3:] != ("monai", "bundle", "__main__.py"):
        return
    shown_before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        shown_before(kind, error, traceback)
        if not isinstance(error, (KeyboardInterrupt, SystemExit)):
            from monai_lsext.data.checked_dataset import error_sentence

            print(f"\n{error_sentence(error, length=1000)}", file=sys.stderr)

    sys.excepthook = show
