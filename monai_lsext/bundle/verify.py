"""Offline counterpart of the MONAI model zoo's checks of a bundle."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monai_lsext.bundle.bundle_scripts import bundle_scripts
from monai_lsext.bundle.checks.consistency import check_same_network, check_same_preprocessing, check_variants
from monai_lsext.bundle.checks.export import check_onnx, check_torchscript
from monai_lsext.bundle.checks.files import check_files, check_models_folder, check_readme
from monai_lsext.bundle.checks.metadata import (
    check_channel_definition,
    check_metadata_schema,
    check_versions,
    check_weights_hash,
)
from monai_lsext.bundle.checks.network import check_network_in_out, check_weights
from monai_lsext.bundle.checks.properties import check_properties
from monai_lsext.bundle.checks.references import check_references, check_unreferenced_ids
from monai_lsext.bundle.source import BundleError, BundleSource, CheckSkippedError, one_line

__all__ = ["CHECKS", "Finding", "verify_bundle", "verify_main"]

Check = Callable[[BundleSource], Iterable[str]]
CHECKS: dict[str, Check] = {
    "files": check_files,
    "models folder": check_models_folder,
    "readme": check_readme,
    "metadata schema": check_metadata_schema,
    "versions": check_versions,
    "channel definition": check_channel_definition,
    "weights hash": check_weights_hash,
    "references": check_references,
    "unreferenced ids": check_unreferenced_ids,
    "properties": check_properties,
    "variants": check_variants,
    "same network": check_same_network,
    "same preprocessing": check_same_preprocessing,
    "weights": check_weights,
    "network in and out": check_network_in_out,
    "torchscript": check_torchscript,
    "onnx": check_onnx,
}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        check: name of the check, a key of ``CHECKS``.
        ok: False for a fault.
        sentence: the fault; for a passed check what holds, or why it was skipped.
    """

    check: str
    ok: bool
    sentence: str


def verify_bundle(bundle_dir: str | Path, checks: Iterable[str] | None = None) -> list[Finding]:
    """Check a bundle as the model zoo's CI does, without network access and without writing into it.

    Args:
        bundle_dir: the bundle's directory.
        checks: names of the checks to run, default all of ``CHECKS``.

    Returns:
        One finding for each passed or skipped check and one for each fault, in the order of ``CHECKS``.

    Raises:
        ValueError: when ``bundle_dir`` is no directory or a check's name is unknown.

    Note:
        A bundle's configs can execute code and are executed here: verify only bundles that you trust.
    """
    root = Path(bundle_dir).resolve()
    if not root.is_dir():
        raise ValueError(f"bundle must be a directory, got {bundle_dir}")
    names = list(CHECKS) if checks is None else list(checks)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise ValueError(f"`checks` must be among {', '.join(CHECKS)}, got {', '.join(unknown)}")
    source = BundleSource(root)
    with bundle_scripts(root):
        return [finding for name in CHECKS if name in names for finding in _run(name, source)]


def verify_main(bundle: str) -> int:
    """Print the table of :func:`verify_bundle`.

    Args:
        bundle: the bundle's directory.

    Returns:
        Exit status: 0 when all checks passed, 1 when one failed, 2 when ``bundle`` is no directory.
    """
    try:
        findings = verify_bundle(bundle)
    except ValueError as e:
        print(e, file=sys.stderr)
        return 2
    width = max(map(len, CHECKS))
    for finding in findings:
        print(f"{finding.check:<{width}}  {'ok' if finding.ok else 'FAIL':<4}  {finding.sentence}")
    failed = {finding.check for finding in findings if not finding.ok}
    print(f"{Path(bundle).resolve().name}: {len(CHECKS) - len(failed)} of {len(CHECKS)} checks passed")
    return 1 if failed else 0


def _run(name: str, source: BundleSource) -> list[Finding]:
    """Findings of one check."""
    check = CHECKS[name]
    try:
        with _quiet():
            faults = list(_faults(check, source))
    except CheckSkippedError as e:
        return [Finding(name, True, f"skipped: {e}")]
    if faults:
        return [Finding(name, False, fault) for fault in faults]
    return [Finding(name, True, (check.__doc__ or "").split("\n")[0])]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps warnings of torch's exporters and MONAI's logs out of the table."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _faults(check: Check, source: BundleSource) -> Iterator[str]:
    """Faults of one check; what it raises ends it with one more, so that the other checks still run."""
    try:
        yield from check(source)
    except CheckSkippedError:
        raise
    except BundleError as e:
        yield str(e)
    except Exception as e:  # a bundle can break a check in ways that it does not foresee
        yield f"the check stopped: {one_line(e)}"
