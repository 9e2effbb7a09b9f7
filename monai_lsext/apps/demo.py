"""The whole path in a few minutes: phantoms, training, evaluation, prediction, all through the public commands."""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from monai_lsext.registry import find_bundle

__all__ = ["main"]

BUNDLE = "racenet_optic_disc_cup"
NUM_TRAINING, NUM_TEST = 40, 20
REQUIRED_DISC_DICE = 0.90
SIDE_PX = 96  # the bundle's own images are larger, and its training longer
TRAINING = {
    "val_interval": "4",
    "train#trainer#max_epochs": "24",
    "validate#handlers#2#interval": "12",  # pictures of the evolving contours
}
EVALUATION = {"pixel_scale": "1.0"}


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration and return 0, or 1 when the disc's mean Dice on unseen phantoms is too low."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="demo", help="folder to fill; an earlier demonstration is replaced")
    output = Path(parser.parse_args(argv).output).absolute()
    bundle = output / "bundle" / BUNDLE
    if output.exists() and any(output.iterdir()) and not bundle.exists():
        parser.error(f"--output must be new, empty or an earlier demonstration, got {output}")
    shutil.rmtree(output, ignore_errors=True)
    data = output / "phantoms"
    shutil.copytree(find_bundle(BUNDLE), bundle, ignore=shutil.ignore_patterns("model.pt", "output", "aux"))
    for name in ("train.yaml", "inference.yaml"):
        config = bundle / "configs" / name
        config.write_text(re.sub(r"image_size: .*", f"image_size: [{SIDE_PX}, {SIDE_PX}]", config.read_text()))

    _say(f"1/5 drawing {NUM_TRAINING + NUM_TEST} fundus-like phantoms")
    number = ["--num", str(NUM_TRAINING + NUM_TEST)]
    _run("monai_lsext", "data", "phantom", "--task", "optic_disc_cup", "--output", str(data), *number)
    _say("2/5 training RACE-net (a smaller image and fewer epochs than the bundle's own)")
    _bundle_run(bundle, data, output / "training", TRAINING, "train.yaml")
    _say(f"3/5 measuring the {NUM_TEST} unseen phantoms")
    _bundle_run(bundle, data, output / "training", EVALUATION, "train.yaml", "evaluate.yaml")
    _say("4/5 predicting: masks, overlay pictures and reports")
    photographs = output / "unseen"
    photographs.mkdir()
    for case in _test_cases(data)[:4]:
        shutil.copy(data / "roi" / "images" / f"{case}.png", photographs)
    arguments = ["--input", str(photographs), "--output", str(output / "prediction"), "--roi", "none"]
    # a changed bundle runs only with --trust: configs can execute code
    _run("monai_lsext", "predict", "--bundle", str(bundle), "--trust", *arguments)
    _say("5/5 table")
    return _report(output)


def _say(step: str) -> None:
    print(f"\n== {step}", flush=True)


def _run(module: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, env=environment)


def _bundle_run(bundle: Path, data: Path, output: Path, options: dict[str, str], *configs: str) -> None:
    files = "[" + ",".join(f"'{bundle / 'configs' / name}'" for name in configs) + "]"
    overrides = {"bundle_root": str(bundle), "dataset_dir": str(data), "output_dir": str(output), **options}
    flags = [part for key, value in overrides.items() for part in (f"--{key}", value)]
    _run("monai.bundle", "run", "--config_file", files, *flags)


def _test_cases(data: Path) -> list[str]:
    with open(data / "index.csv", newline="") as stream:
        return [row["case"] for row in csv.DictReader(stream) if row["split"] == "Test"]


def _report(output: Path) -> int:
    with open(output / "training" / "evaluation" / "dice_raw.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    means = {name: sum(float(row[name]) for row in rows) / len(rows) for name in ("class0", "class1")}
    table = ["| structure | mean Dice | unseen phantoms |", "| --- | --- | --- |"]
    table += [
        f"| {label} | {means[name]:.4f} | {len(rows)} |"
        for name, label in (("class0", "optic disc"), ("class1", "optic cup"))
    ]
    (output / "table.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))
    print(f"\nPictures: {output / 'prediction'} and {output / 'training' / 'evolution'}")
    if means["class0"] < REQUIRED_DISC_DICE or len(rows) != NUM_TEST:
        print(f"FAILED: expected a disc Dice >= {REQUIRED_DISC_DICE} on {NUM_TEST} phantoms")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
