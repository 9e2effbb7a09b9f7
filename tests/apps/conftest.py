"""The stand-in bundle that tests of ``predict`` share, and interpreters of other environments."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_bundle import NAME, write_stub_bundle


@pytest.fixture(scope="session")
def interpreter() -> Callable[[str, str], str]:
    """Interpreter of another environment, by the variable that names it and the program that it must have."""

    def found(variable: str, program: str) -> str:
        python = os.environ.get(variable)
        if not python:
            pytest.skip(f"the variable {variable} names no interpreter with {program}")
        return python

    return found


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Segments photographs by thresholds, so that masks are known exactly."""
    write_stub_bundle(tmp_path / NAME)
    return tmp_path / NAME
