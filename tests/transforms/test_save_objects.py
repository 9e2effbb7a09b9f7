"""Outlines of a map of objects, as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor

from monai_lsext.transforms import SaveObjectsd


def test_file(tmp_path: Path) -> None:
    drawn = torch.zeros(3, 12, 10)
    drawn[:, 2:6, 3:5] = torch.tensor([2.0, 1.0, 0.625])[:, None, None]
    item = {"pred": MetaTensor(drawn, meta={"filename_or_obj": "/somewhere/cells.tif"})}
    assert SaveObjectsd("pred", tmp_path / "out", ["nucleus"])(item)["pred"] is item["pred"]
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "cells_contours.geojson"
    (feature,) = json.loads(path.read_text())["features"]
    assert feature["properties"] == {
        "label": "nucleus",
        "class": 1,
        "instance_id": 2,
        "area_px": 8,
        "score": 0.625,
    }
    assert feature["bbox"] == [1.5, 2.5, 5.5, 4.5]


def test_another_map(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a map of objects must have shape \[3, W, H\], got \(1, 4, 4\)"):
        SaveObjectsd("pred", tmp_path, ["nucleus"])({"pred": torch.zeros(1, 4, 4)})
