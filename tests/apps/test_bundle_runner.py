"""A bundle run for what it finds: nothing is written, and the steps behind the saving are left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.data.phantoms import nuclei_phantom
from monai_lsext.registry import find_bundle


def test_objects_come_with_classes_and_scores_and_no_file(tmp_path: Path) -> None:
    bundle = tmp_path / "crls_nuclei"
    for part in ("configs", "models"):
        shutil.copytree(find_bundle("crls_nuclei") / part, bundle / part)
    Image.fromarray(nuclei_phantom(9, (96, 96)).image).save(tmp_path / "cells.png")
    before = sorted(tmp_path.rglob("*"))
    runner = BundleRunner(bundle, device="cpu")
    pred = runner(runner.load({"image": str(tmp_path / "cells.png")})).pred
    assert pred.shape == (3, 96, 96)
    assert np.unique(pred[0]).size > 2
    assert torch.equal(pred[0] > 0, pred[1] == 1)
    assert sorted(tmp_path.rglob("*")) == before
