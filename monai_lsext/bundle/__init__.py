"""Tools for bundles: verify (the model zoo's checks, offline)."""

from __future__ import annotations

from monai_lsext.bundle.verify import Finding, verify_bundle, verify_main

__all__ = ["Finding", "verify_bundle", "verify_main"]
