"""Whether a bundle may run: its configs can execute code."""

from __future__ import annotations

from pathlib import Path

from monai_lsext.registry import bundle_folders

__all__ = ["check_trust"]

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
