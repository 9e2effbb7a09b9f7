"""Makes a bundle independent of this package: what it uses is copied into its ``scripts`` package."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_lsext import __version__
from monai_lsext.bundle import code_references as package
from monai_lsext.bundle.code_references import PACKAGE, code_references, config_references
from monai_lsext.bundle.used_modules import UsedModules

__all__ = ["Vendored", "vendor"]

SCRIPTS = "scripts"
CONFIG_SUFFIXES = (".json", ".yaml", ".yml")
DISTRIBUTION = "monai-lsext"
STATED_ELSEWHERE = ("monai", "torch", "numpy")  # have a key of their own in the metadata
# The package's name where it is code or a dotted name: not in a sentence, not in `python -m monai_lsext`.
PACKAGE_IN_CODE = re.compile(rf"\b{PACKAGE}(?=\.\w)|(?<=\bfrom ){PACKAGE}(?= import\b)|(?<=\bimport ){PACKAGE}\b")
NOTE = """
## Without {package}

This copy has in `scripts/` what it uses of {package} {version} ({modules} modules, {lines} lines). It needs MONAI and
the packages that `configs/metadata.json` names, not {package}. MONAI's commands find `scripts/` when they are run from
this bundle's root directory:

```bash
python -m monai.bundle run --config_file configs/train.yaml --dataset_dir DATA
python -m monai.bundle run --config_file "['configs/train.yaml','configs/evaluate.yaml']" --dataset_dir DATA
python -m monai.bundle run --config_file configs/inference.yaml --dataset_dir IMAGES --output_dir RESULTS
# the zoo's checks
C=configs
python -m monai.bundle verify_metadata --meta_file $C/metadata.json --filepath schema.json
python -m monai.bundle verify_net_in_out network_def --config_file $C/inference.yaml --meta_file $C/metadata.json
```

Commands of `python -m {package}` on this page still need that package.
"""


@dataclass(frozen=True)
class Vendored:
    """What was copied: number of modules (``__init__`` files included) and their lines."""

    modules: int
    lines: int


def vendor(root: Path) -> Vendored:
    """Copy into ``root/scripts`` the modules of this package that the bundle uses, and refer to those.

    Used is what ``_target_``, other dotted names, ``$import`` and ``$`` expressions name in any config, variants
    included, and what those modules import. The folders of the package are kept, so that names do not clash and
    references change in their first part alone. An ``__init__`` is written anew with only the names that are asked
    of it (see :class:`UsedModules`): otherwise one network would bring the whole package along. Data files come
    along when a copied module names them. The metadata no longer requires this package but what the modules import.

    Args:
        root: the bundle's directory, which is changed.

    Raises:
        ValueError: when the bundle has a ``scripts`` package already, or a config names what does not exist.
    """
    scripts = root / SCRIPTS
    if scripts.exists():
        raise ValueError(f"a bundle to vendor must not have a folder {SCRIPTS} yet, got {scripts}")
    configs = sorted(p for p in (root / "configs").rglob("*") if p.suffix in CONFIG_SUFFIXES)
    used = UsedModules(pair for path in configs for pair in config_references(_read(path)))
    sources = {name: PACKAGE_IN_CODE.sub(SCRIPTS, text) for name, text in used.sources().items()}
    copies = {scripts / name: text for name, text in sources.items()}
    copies |= {path: PACKAGE_IN_CODE.sub(SCRIPTS, path.read_text(encoding="utf-8")) for path in configs}
    for path, text in copies.items():
        _write(path, text)
    for name in used.resources():
        (scripts / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package.PACKAGE_DIR / name, scripts / name)
    vendored = Vendored(len(sources), sum(len(text.splitlines()) for text in sources.values()))
    _check_no_reference_is_left(configs, sources)
    _require(root / "configs" / "metadata.json", _distributions(sources))
    _append_note(root / "docs" / "README.md", vendored)
    return vendored


def _read(path: Path) -> dict[str, Any]:
    return ConfigParser.load_config_file(path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _check_no_reference_is_left(configs: list[Path], sources: dict[str, str]) -> None:
    """What is rewritten by pattern is compared with what parsing finds: an import in an unforeseen form is caught."""
    left = {path.name: list(config_references(_read(path))) for path in configs}
    left |= {path: list(code_references(ast.parse(text), SCRIPTS)) for path, text in sources.items()}
    for name, pairs in left.items():
        if pairs:
            raise ValueError(f"{name} refers to {'.'.join(filter(None, pairs[0]))} in a form that cannot be rewritten")


def _distributions(sources: dict[str, str]) -> set[str]:
    """Installed distributions that the sources import, as the package index names them."""
    imported = set()
    for node in (node for text in sources.values() for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.split(".")[0])
    providers = importlib.metadata.packages_distributions()
    foreign = imported - {SCRIPTS, *STATED_ELSEWHERE} - sys.stdlib_module_names
    return {min(providers[name]) for name in foreign if name in providers}


def _require(path: Path, distributions: set[str]) -> None:
    """Drop this package from the metadata's requirements; add what is imported and not required yet."""
    metadata = json.loads(path.read_text(encoding="utf-8"))
    required = metadata.setdefault("required_packages_version", {})
    required.pop(DISTRIBUTION, None)
    stated = {name.lower() for name in required}
    for name in sorted(distributions):
        if name.lower() not in stated:
            required[name] = importlib.metadata.version(name)
    _write(path, json.dumps(metadata, indent=4, ensure_ascii=False) + "\n")


def _append_note(path: Path, vendored: Vendored) -> None:
    numbers = {"modules": vendored.modules, "lines": vendored.lines}
    note = NOTE.format(package=PACKAGE, version=__version__, **numbers)
    _write(path, path.read_text(encoding="utf-8").rstrip() + "\n" + note)
