"""Tools for bundles: verify (the model zoo's checks, offline), pack (release zip, with this package in it if asked)."""

from __future__ import annotations

from monai_lsext.bundle.pack import FaultyBundleError, Packed, pack_bundle
from monai_lsext.bundle.verify import Finding, verify_bundle, verify_main

__all__ = ["FaultyBundleError", "Finding", "Packed", "pack_bundle", "verify_bundle", "verify_main"]
