"""Release zip of a bundle, named and laid out as in MONAI's model zoo."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monai_lsext.atomic import replace_when_done
from monai_lsext.bundle.source import BundleSource
from monai_lsext.bundle.vendor import Vendored, vendor
from monai_lsext.bundle.verify import Finding, verify_bundle
from monai_lsext.registry import find_bundle

__all__ = ["FaultyBundleError", "Packed", "pack_bundle", "pack_main"]

# What a release holds; all else in a bundle's directory (data, output, logs) is of the user's own runs.
RELEASED = ("LICENSE", "configs", "docs", "models", "scripts")
LEFT_OUT = ("__pycache__", "checkpoint", "checkpoints", "output")
LEFT_OUT_SUFFIXES = (".pyc", ".tmp")
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can state
READABLE_FILE = 0o100644 << 16
UNIX = 3


class FaultyBundleError(Exception):
    """A bundle failed the model zoo's checks.

    Args:
        findings: the faults.
    """

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{finding.check}: {finding.sentence}" for finding in findings))
        self.findings = findings


@dataclass(frozen=True)
class Packed:
    """A written release.

    Args:
        path: the zip.
        size: its size in bytes.
        sha256: its hash.
        vendored: what was copied from this package, None without ``vendor``.
    """

    path: Path
    size: int
    sha256: str
    vendored: Vendored | None


def pack_bundle(bundle: str | Path, output_dir: str | Path, with_package: bool = False) -> Packed:
    """Write ``<name>_v<version>.zip`` with one folder ``<name>``, when the bundle passes all checks of verify.

    The zip holds LICENSE, configs, docs, models and scripts, without caches, hidden files and training states. It is
    written whole or not at all, over an earlier one of the same name. The same bundle gives the same bytes.

    Args:
        bundle: directory, or name of a bundle that comes with the package; it is not changed.
        output_dir: folder of the zip, made when missing.
        with_package: copy the used modules of this package into the bundle's ``scripts`` package, see
            :func:`monai_lsext.bundle.vendor.vendor`; the copy must pass the checks too.

    Raises:
        ValueError: when there is no such bundle, or it cannot be vendored.
        FaultyBundleError: when a check fails.

    Note:
        A bundle's configs can execute code and are executed by the checks: pack only bundles that you trust.
    """
    root = Path(bundle).resolve() if Path(bundle).is_dir() else find_bundle(str(bundle))
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder).resolve() / root.name
        for name in _released_files(root):
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, staged / name)
        _check(staged)
        vendored = vendor(staged) if with_package else None
        if with_package:
            _check(staged)
        version = BundleSource(staged).metadata["version"]
        path = Path(output_dir) / f"{root.name}_v{version}.zip"
        with replace_when_done(path) as temporary:
            _write_zip(staged, temporary)
    content = path.read_bytes()
    return Packed(path, len(content), hashlib.sha256(content).hexdigest(), vendored)


def pack_main(bundle: str, output_dir: str, with_package: bool) -> int:
    """Print what :func:`pack_bundle` wrote, or the faults that kept it from writing.

    Returns:
        Exit status: 0, or 1 for a faulty bundle.
    """
    try:
        packed = pack_bundle(bundle, output_dir, with_package)
    except FaultyBundleError as error:
        for finding in error.findings:
            print(f"{finding.check}: {finding.sentence}", file=sys.stderr)
        print(f"{bundle} is not packed: it does not pass its checks", file=sys.stderr)
        return 1
    if packed.vendored is not None:
        print(f"vendored: {packed.vendored.modules} modules, {packed.vendored.lines} lines")
    print(f"{packed.path}\n{packed.size} bytes\nSHA-256 {packed.sha256}")
    return 0


def _released_files(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        name = path.relative_to(root)
        unwanted = any(part in LEFT_OUT or part.startswith(".") for part in name.parts)
        if name.parts[0] in RELEASED and not unwanted and path.suffix not in LEFT_OUT_SUFFIXES and path.is_file():
            yield name.as_posix()


def _check(root: Path) -> None:
    faults = [finding for finding in verify_bundle(root) if not finding.ok]
    if faults:
        raise FaultyBundleError(faults)


def _write_zip(root: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(_released_files(root)):
            entry = zipfile.ZipInfo(f"{root.name}/{name}", EARLIEST)
            entry.create_system, entry.external_attr = UNIX, READABLE_FILE
            archive.writestr(entry, (root / name).read_bytes(), zipfile.ZIP_DEFLATED)
