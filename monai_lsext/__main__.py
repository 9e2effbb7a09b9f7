"""Command line: ``python -m monai_lsext list | data | predict | compare | verify | pack``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monai_lsext import __version__

__all__ = ["main"]

EXIT_UNUSABLE = 2
PREDICT_OPTIONS = (
    *("roi", "device", "centre", "trust", "series", "seg", "fractional", "sr", "rtstruct"),
    *("uncertainty", "keep_identity", "weights"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; its heavy imports happen only then.

    Args:
        argv: arguments, default those of the process.

    Returns:
        0 all worked, 2 unusable arguments, 3 some cases were skipped; ``verify``, ``pack``: 1 for a faulty bundle.
    """
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (ValueError, OSError) as error:
        print(f"monai_lsext {args.command}: {error}", file=sys.stderr)
        return EXIT_UNUSABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="monai_lsext", description="Learned deformable models as MONAI Bundles")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    listing = commands.add_parser("list", help="bundles that come with the package")
    listing.set_defaults(run=_list)

    data = commands.add_parser("data", help="data to try a bundle on")
    kinds = data.add_subparsers(dest="kind", required=True)
    phantom = kinds.add_parser("phantom", help="seeded phantoms in the layout of a public data set")
    tasks = "optic_disc_cup, left_ventricle, left_atrium, liver, pancreas, nuclei, object or shapes"
    phantom.add_argument("--task", required=True, help=tasks)
    phantom.add_argument("--output", required=True, metavar="DIR")
    phantom.add_argument(
        "--num", type=int, default=20, help="number of images, or of patients with two each (default 20)"
    )
    phantom.add_argument("--seed", type=int, default=0)
    phantom.set_defaults(run=_phantom)

    predict = commands.add_parser("predict", help="images and volumes in; masks, pictures and reports out")
    predict.add_argument("--bundle", required=True, metavar="DIR_OR_NAME")
    predict.add_argument("--input", required=True, metavar="FILE_OR_FOLDER", help="PNG, JPEG, TIFF, NIfTI, DICOM")
    predict.add_argument("--output", required=True, metavar="DIR")
    weights = "model.pt of your own training (default: the bundle's models/model.pt)"
    predict.add_argument("--weights", metavar="FILE", help=weights)
    centre = "point in the object: column,row of an image; first,second voxel index of a volume (default: found)"
    predict.add_argument("--centre", type=_point, metavar="X,Y", help=centre)
    predict.add_argument("--roi", choices=("auto", "find", "none"), help="region of interest (default: the bundle's)")
    predict.add_argument("--device", help="such as cpu or cuda:0 (default: the bundle's)")
    predict.add_argument("--series", metavar="UID", help="the only DICOM series to take (default: those that fit)")
    predict.add_argument("--seg", action="store_true", help="write a DICOM SEG too")
    predict.add_argument("--fractional", action="store_true", help="with --seg: probabilities instead of the mask")
    predict.add_argument("--sr", action="store_true", help="with --seg: measurements as DICOM SR")
    predict.add_argument("--rtstruct", action="store_true", help="write the contours as DICOM RT Structure Set")
    spread = "write how far the network's last steps differ, pixel by pixel"
    predict.add_argument("--uncertainty", action="store_true", help=spread)
    identity = "name the patient of a DICOM case in its report and picture"
    predict.add_argument("--keep-identity", action="store_true", help=identity)
    predict.add_argument("--trust", action="store_true", help="let the configs of a bundle from elsewhere run code")
    predict.set_defaults(run=_predict)

    compare = commands.add_parser("compare", help="table of two evaluated runs with a paired t-test")
    compare.add_argument("run_folder", metavar="RUN", help="folder with the *_raw.csv of evaluate.yaml")
    compare.add_argument("rival_folder", metavar="RIVAL")
    compare.add_argument("--class-names", nargs="+", metavar="NAME", help="in the order of the classes")
    compare.set_defaults(run=_compare)

    verify = commands.add_parser("verify", help="the model zoo's checks of a bundle, offline")
    verify.add_argument("bundle", metavar="BUNDLE")
    verify.set_defaults(run=_verify)

    pack = commands.add_parser("pack", help="release zip of a bundle that passes its checks")
    pack.add_argument("bundle", metavar="BUNDLE", help="directory or name")
    pack.add_argument("--output", required=True, metavar="DIR")
    pack.add_argument("--vendor", action="store_true", help="with the modules of this package that the bundle uses")
    pack.set_defaults(run=_pack)
    return parser


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be two numbers such as 120,96, got {text}") from error
    return x, y


def _list(args: argparse.Namespace) -> int:
    from monai_lsext.apps.listing import bundle_table

    print(bundle_table())
    return 0


def _phantom(args: argparse.Namespace) -> int:
    from monai_lsext.data.phantoms import PHANTOM_TASKS

    if args.task not in PHANTOM_TASKS:
        raise ValueError(f"`--task` must be one of {sorted(PHANTOM_TASKS)}, got {args.task}")
    PHANTOM_TASKS[args.task](args.output, args.num, args.seed)
    return 0


def _predict(args: argparse.Namespace) -> int:
    from monai_lsext.apps.predict import predict

    options = {name: getattr(args, name) for name in PREDICT_OPTIONS}
    return predict(args.bundle, args.input, args.output, **options)


def _compare(args: argparse.Namespace) -> int:
    from monai_lsext.apps.compare import compare_runs

    print(compare_runs(args.run_folder, args.rival_folder, args.class_names))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from monai_lsext.bundle.verify import verify_main

    return verify_main(args.bundle)


def _pack(args: argparse.Namespace) -> int:
    from monai_lsext.bundle.pack import pack_main

    return pack_main(args.bundle, args.output, args.vendor)


if __name__ == "__main__":
    sys.exit(main())
