"""A DICOM SEG as another program reads it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def read_by_dcmqi(path: Path, affine: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Label map of a SEG's segments by dcmqi, whose grid must be the expected one.

    Args:
        path: of the SEG.
        affine: expected, to RAS in mm; rows and slices may run the other way.
        size: expected (W, H, D).

    Returns:
        Segment numbers [W, H, D] on the voxels of ``affine``.
    """
    program = Path(sys.executable).with_name("segimage2itkimage")
    if not program.exists():
        pytest.skip("dcmqi is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nii", "--prefix", "s"]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        files = sorted(Path(folder).glob("s-*.nii*"))
        images = {int(file.name.split("-")[1].split(".")[0]): _read(file) for file in files}
    label_map = np.zeros(size, dtype=np.uint8)
    for number, (values, stated) in images.items():
        assert sorted(values.shape) == sorted(size)
        to_read = np.linalg.inv(stated) @ affine
        corners = np.array([[0, 0, 0], *np.diag(np.array(size) - 1), np.array(size) - 1])
        places = corners @ to_read[:3, :3].T + to_read[:3, 3]
        np.testing.assert_allclose(places, places.round(), atol=0.01)
        index = np.indices(size).reshape(3, -1).T @ to_read[:3, :3].T + to_read[:3, 3]
        label_map[values[tuple(index.round().astype(int).T)].reshape(size) > 0] = number
    return label_map


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nib.nifti1.load(file)
    return np.asarray(image.dataobj), image.affine
