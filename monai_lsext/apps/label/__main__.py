"""Start the server: ``python -m monai_lsext.apps.label --studies DIR``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_lsext.apps.label.labels import FILE_PATTERNS
from monai_lsext.apps.label.shims import prepare_monailabel
from monai_lsext.apps.label.studies import prepared_studies

__all__ = ["main"]

# MONAI Label reads an app from a file of its folder, also in the processes that train and score
_MAIN_PY = """from monai_lsext.apps.label.shims import prepare_monailabel

prepare_monailabel()
from monai_lsext.apps.label.app import BundlesApp  # noqa: E402, F401
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Start MONAI Label with the app of this package; it ends when stopped.

    Args:
        argv: arguments, default those of the process.

    Returns:
        2 for unusable arguments.
    """
    parser = argparse.ArgumentParser(prog="monai_lsext.apps.label", description="MONAI Label with every bundle")
    parser.add_argument("--studies", required=True, metavar="DIR", help="images, or DICOM; http(s): a DICOMweb server")
    parser.add_argument("--app", default="label_app", metavar="DIR", help="for models and logs (default label_app)")
    parser.add_argument("--models", default="", metavar="NAME,NAME", help="the only bundles to serve (default all)")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine alone")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args(argv)
    app_dir = Path(args.app).resolve()
    remote = args.studies.startswith(("http://", "https://"))
    try:
        studies = args.studies if remote else str(prepared_studies(args.studies, app_dir))
    except ValueError as error:
        print(f"monai_lsext.apps.label: {error}", file=sys.stderr)
        return 2
    app_dir.mkdir(parents=True, exist_ok=True)
    (app_dir / "main.py").write_text(_MAIN_PY, encoding="utf-8")
    os.environ.setdefault("MONAI_LABEL_DATASTORE_FILE_EXT", json.dumps(FILE_PATTERNS))
    # scores are made when they are asked for, not by a process at every step
    os.environ.setdefault("MONAI_LABEL_AUTO_UPDATE_SCORING", "false")
    prepare_monailabel()
    from monailabel.main import Main

    options = ["--host", args.host, "--port", str(args.port), "--conf", "models", args.models or ""]
    sys.argv = ["monailabel", "start_server", "--app", str(app_dir), "--studies", studies, *options]
    sys.argv += ["--uvicorn_app", "monai_lsext.apps.label.server:app"]
    Main().run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
