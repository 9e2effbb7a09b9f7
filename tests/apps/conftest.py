"""The stand-in bundle that tests of ``predict`` share."""

from __future__ import annotations

from pathlib import Path

import pytest
from stub_bundle import NAME, write_stub_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Segments photographs by thresholds, so that masks are known exactly."""
    write_stub_bundle(tmp_path / NAME)
    return tmp_path / NAME
