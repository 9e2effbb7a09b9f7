"""Which cases of a run were done and which were skipped, and why."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_lsext.atomic import replace_when_done

__all__ = ["EXIT_SKIPPED", "REPORT_NAME", "RunReport"]

EXIT_SKIPPED = 3
REPORT_NAME = "run_report.json"


@dataclass
class RunReport:
    """Record of a run over a cohort, written as ``run_report.json``.

    Args:
        done: one dictionary per case that worked, with its name under "case".
        skipped: one dictionary {"case", "reason"} per case that did not.
    """

    done: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    _start: float = field(default_factory=time.perf_counter)

    def open_folder(self, folder: str | os.PathLike[str]) -> Path:
        """Make the output folder and remove the report of an earlier run, which would be taken for this one's.

        Raises:
            ValueError: when the folder cannot be written to.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
            (path / REPORT_NAME).unlink(missing_ok=True)
        except OSError as error:
            raise ValueError(
                f"output must be a folder that can be written to, got {path} ({error.strerror})"
            ) from error
        return path

    @property
    def exit_status(self) -> int:
        """0 when every case worked, 3 when some were skipped."""
        return EXIT_SKIPPED if self.skipped else 0

    def write(self, folder: str | os.PathLike[str], **more: Any) -> Path:
        """Write ``run_report.json`` whole; ``more`` are further entries, such as the bundle's name."""
        content = {
            **more,
            "exit_status": self.exit_status,
            "seconds": round(time.perf_counter() - self._start, 3),
            "done": self.done,
            "skipped": self.skipped,
        }
        path = Path(folder) / REPORT_NAME
        with replace_when_done(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return path
