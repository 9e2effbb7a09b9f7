"""What holds for every bundle: shared files are the same everywhere, configs stay short."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from monai_lsext.registry import BUNDLES

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(path for path in (ROOT / "bundles").iterdir() if path.is_dir())
LONGEST = {"train.yaml": 260, "inference.yaml": 165, "evaluate.yaml": 60, "multi_gpu_train.yaml": 40}


def test_every_bundle_is_registered_and_listed_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [folder.name for folder in FOLDERS] == sorted(BUNDLES)
    assert all(f"[{folder.name}](bundles/{folder.name}/docs/README.md)" in readme for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_shared_files_are_the_same(folder: Path) -> None:
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for name in ("logging.conf", "multi_gpu_train.yaml"):
        assert (folder / "configs" / name).read_bytes() == (FOLDERS[0] / "configs" / name).read_bytes()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_configs_are_short_and_plain(folder: Path) -> None:
    for path in (folder / "configs").rglob("*.yaml"):
        text = path.read_text()
        allowed = 25 if path.parent.name == "variants" else LONGEST[path.name]
        assert len(text.splitlines()) <= allowed, path.name
        assert "<<" not in text, path.name
        assert isinstance(yaml.safe_load(text), dict), path.name
