"""The whole-file writer gives the picture, and nothing when it fails half-way."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import PIL.Image
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImage

from monai_lsext.data.image_writer import WholeNibabelWriter, WholePILWriter


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


def save_volume(folder: Path) -> MetaTensor:
    affine = torch.tensor([[0.0, -1.2, 0, 5], [1.5, 0, 0, -7], [0, 0, 8, 3], [0, 0, 0, 1]], dtype=torch.float64)
    volume = MetaTensor(torch.arange(24).reshape(1, 2, 3, 4), affine, meta={"filename_or_obj": "case.nii.gz"})
    saver = SaveImage(folder, "seg", ".nii.gz", torch.uint8, writer=WholeNibabelWriter, separate_folder=False)
    saver(volume)
    return volume


def test_volume_keeps_voxels_and_affine(tmp_path: Path) -> None:
    volume = save_volume(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["case_seg.nii.gz"]
    read = nib.nifti1.load(tmp_path / "case_seg.nii.gz")
    assert np.array_equal(np.asarray(read.dataobj), volume[0].numpy())
    np.testing.assert_allclose(read.affine, volume.affine.numpy(), rtol=1e-6)


def test_a_failing_write_of_a_volume_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(image: object, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(nib, "save", half)
    with pytest.raises(RuntimeError):
        save_volume(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 3, 4, 1), (1, 3, 1, 1)])
def test_axes_of_length_one_stay(shape: tuple[int, ...], tmp_path: Path) -> None:
    image = MetaTensor(torch.ones(shape), meta={"filename_or_obj": "case.nii.gz"})
    SaveImage(tmp_path, "seg", ".nii.gz", torch.uint8, writer=WholeNibabelWriter, separate_folder=False)(image)
    assert nib.nifti1.load(tmp_path / "case_seg.nii.gz").shape == shape[1:]
