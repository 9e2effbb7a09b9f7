"""The whole-file writer gives the picture, and nothing when it fails half-way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from monai.transforms import SaveImage

from monai_lsext.data.image_writer import WholePILWriter


def save(folder: Path) -> None:
    label_map = torch.tensor([[[0, 1, 2], [2, 1, 0]]])
    saver = SaveImage(folder, "seg", ".png", torch.uint8, writer=WholePILWriter, separate_folder=False)
    saver(label_map, {"filename_or_obj": "case.png"})


def test_label_map_is_written_as_columns_and_rows(tmp_path: Path) -> None:
    save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["case_seg.png"]
    assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / "case_seg.png")), [[0, 2], [1, 1], [2, 0]])


def test_a_failing_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(self: PIL.Image.Image, path: Path, **kwargs: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(PIL.Image.Image, "save", half)
    with pytest.raises(RuntimeError):
        save(tmp_path)
    assert list(tmp_path.iterdir()) == []
