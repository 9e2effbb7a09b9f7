"""Run the application: ``python -m monai_lsext.apps.deploy --bundle NAME --input DIR --output DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from holoscan.logger import LogLevel, set_log_level
from monai.deploy.core import RuntimeEnv

from monai_lsext.apps.deploy.app import BundleApp
from monai_lsext.apps.trust import check_trust
from monai_lsext.registry import find_bundle

__all__ = ["main"]

EXIT_UNUSABLE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a bundle on a DICOM file or folder; ``run_report.json`` tells what became of each volume.

    Args:
        argv: arguments, default those of the process; without them the SDK's variables ``HOLOSCAN_MODEL_PATH``,
            ``HOLOSCAN_INPUT_PATH`` and ``HOLOSCAN_OUTPUT_PATH`` count.

    Returns:
        0 all worked, 2 unusable arguments, 3 some volumes were skipped.
    """
    paths = RuntimeEnv()
    parser = argparse.ArgumentParser(prog="monai_lsext.apps.deploy", description="A bundle in MONAI Deploy")
    parser.add_argument("--bundle", default=paths.model, metavar="DIR_OR_NAME")
    parser.add_argument("--input", default=paths.input, metavar="FILE_OR_FOLDER", help="DICOM, at any depth")
    parser.add_argument("--output", default=paths.output, metavar="DIR")
    parser.add_argument("--series", metavar="UID", help="the only DICOM series to take (default: those that fit)")
    parser.add_argument("--trust", action="store_true", help="let the configs of a bundle from elsewhere run code")
    args = parser.parse_args(argv)
    set_log_level(LogLevel.ERROR)
    try:
        root = find_bundle(args.bundle)
        if not args.trust:
            check_trust(root)
        app = BundleApp(root, args.input, args.output, args.series)
    except (ValueError, OSError) as error:
        print(f"monai_lsext.apps.deploy: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    print("\n".join(app.record.dicom.lines))
    app.run()
    run = app.record.run
    run.write(app.output, bundle=root.name, version=app.producer.version, series=app.record.dicom.lines)
    return run.exit_status


if __name__ == "__main__":
    sys.exit(main())
