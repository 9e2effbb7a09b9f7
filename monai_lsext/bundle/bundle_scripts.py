"""Import of a bundle's own ``scripts`` package, which has the same name in every bundle."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["bundle_scripts"]

SCRIPTS = "scripts"


@contextmanager
def bundle_scripts(root: Path) -> Iterator[None]:
    """Let the block import ``scripts`` from a bundle, as MONAI does when run from the bundle's root directory.

    Afterwards no module of it is left for the next bundle to find, and no bytecode in the bundle.

    Args:
        root: the bundle's directory; without a folder ``scripts`` nothing is done.
    """
    if not (root / SCRIPTS).is_dir():
        yield
        return
    foreign, writes_no_bytecode = _unload(), sys.dont_write_bytecode
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
        sys.path.remove(str(root))
        _unload()
        sys.modules.update(foreign)


def _unload() -> dict[str, ModuleType]:
    """Take every module of a package ``scripts`` out of Python's list of modules."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == SCRIPTS}
