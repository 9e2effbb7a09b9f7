"""Whether a bundle may run: its configs can execute code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_lsext.registry import bundle_folders

__all__ = ["check_trust", "read_metadata"]

_CODE_SUFFIXES = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib")


def check_trust(root: Path) -> None:
    """Let a bundle pass that lies in a trusted folder, or whose configs and code equal those of one there.

    Args:
        root: the bundle's directory, resolved.

    Raises:
        ValueError: naming the first file that differs.

    Note:
        Weights may differ: they are loaded as data (``weights_only=True``).
    """
    folders = [folder.resolve() for folder in bundle_folders()]
    if root.parent in folders:
        return
    twins = [folder / root.name for folder in folders if (folder / root.name).is_dir()]
    advice = "a bundle's configs can execute code: read them, then add --trust"
    if not twins:
        raise ValueError(f"bundle {root.name} does not come with this package; {advice}")
    for file in sorted(p for p in root.rglob("*") if p.is_file()):
        name = file.relative_to(root)
        if name.parts[0] != "configs" and file.suffix not in _CODE_SUFFIXES:
            continue
        content = file.read_bytes()
        if not any((twin / name).is_file() and (twin / name).read_bytes() == content for twin in twins):
            raise ValueError(f"{name.as_posix()} of bundle {root.name} differs from this package's; {advice}")


def read_metadata(root: Path) -> dict[str, Any]:
    """Content of ``configs/metadata.json``.

    Raises:
        ValueError: when the file is missing or is not a JSON dictionary.
    """
    try:
        content = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"configs/metadata.json of bundle {root.name} cannot be read") from error
    if not isinstance(content, dict):
        raise ValueError(f"configs/metadata.json of bundle {root.name} must hold a dictionary")
    return content
