"""The documentation: it builds without a warning, and every link and picture in it is there."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).resolve().parents[1]


def test_the_site_builds_without_warnings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=False)
    with caplog.at_level(logging.WARNING, logger="mkdocs"):
        build(config)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("mkdocs")] == []
    page = (tmp_path / "site" / "reference" / "networks" / "index.html").read_text(encoding="utf-8")
    assert "RACENet" in page
    for folder in (ROOT / "bundles").iterdir():
        assert (tmp_path / "site" / "bundles" / folder.name / "index.html").is_file()
