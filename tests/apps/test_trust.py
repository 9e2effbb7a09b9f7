"""Which bundles run without --trust."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_lsext.apps.trust import check_trust


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ours = tmp_path / "bundles" / "eye"
    (ours / "configs").mkdir(parents=True)
    (ours / "models").mkdir()
    (ours / "configs" / "inference.yaml").write_text("run: []")
    (ours / "models" / "model.pt").write_bytes(b"ours")
    monkeypatch.setattr("monai_lsext.apps.trust.bundle_folders", lambda: [tmp_path / "bundles"])
    check_trust(ours)
    return Path(shutil.copytree(ours, tmp_path / "elsewhere" / "eye"))


def test_copy_with_other_weights_and_notes_is_trusted(copy: Path) -> None:
    (copy / "models" / "model.pt").write_bytes(b"retrained")
    (copy / "notes.txt").write_text("mine")
    assert check_trust(copy) is None


@pytest.mark.parametrize("name", ["configs/inference.yaml", "configs/more.yaml", "scripts/__init__.py", "torch.so"])
def test_other_config_or_code_is_named(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("$print(1)")
    with pytest.raises(ValueError, match=f"{name} of bundle eye differs from this package's; .* add --trust"):
        check_trust(copy)


def test_unknown_name_is_refused(copy: Path) -> None:
    with pytest.raises(ValueError, match="bundle ear does not come with this package"):
        check_trust(copy.rename(copy.with_name("ear")))
