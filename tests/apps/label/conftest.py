"""A server on phantoms, in the environment that the variable LSEXT_LABEL_PYTHON names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from label_client import LabelClient, free_port, start_server
from PIL import Image

from monai_lsext.data.phantoms import PHANTOM_TASKS

HEART = "training/patient001/patient001_frame01"


@pytest.fixture(scope="session")
def label_python(interpreter: Callable[[str, str], str]) -> str:
    """Interpreter with MONAI Label."""
    return interpreter("LSEXT_LABEL_PYTHON", "MONAI Label")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms of every kind, by task."""
    folder = tmp_path_factory.mktemp("phantoms")
    tasks = ("optic_disc_cup", "nuclei", "left_atrium", "left_ventricle", "liver", "pancreas")
    for task in tasks:
        PHANTOM_TASKS[task](folder / task, 3, 0)
    return folder


@pytest.fixture(scope="session")
def truth(drawn: Path) -> dict[str, np.ndarray]:
    """Labels of the images in ``studies``."""
    eyes = sorted((drawn / "optic_disc_cup/roi/labels").glob("*.png"))
    found = {f"eye{index}": np.asarray(Image.open(path)).T for index, path in enumerate(eyes)}
    found["heart"] = np.asarray(nib.nifti1.load(drawn / f"left_ventricle/{HEART}_gt.nii.gz").dataobj) == 3
    return found


@pytest.fixture(scope="session")
def studies(drawn: Path, truth: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of every kind, and ``two``: a picture with two ventricles, side by side."""
    folder = tmp_path_factory.mktemp("server") / "studies"
    folder.mkdir()
    for index, path in enumerate(sorted((drawn / "optic_disc_cup/roi/images").glob("*.png"))):
        shutil.copy(path, folder / f"eye{index}.png")
    shutil.copy(next((drawn / "nuclei/images/colour").glob("*.png")), folder / "cells.png")
    shutil.copy(next((drawn / "liver/images").glob("*.png")), folder / "belly.png")
    shutil.copy(next((drawn / "left_atrium/images").glob("*.nii.gz")), folder / "atrium.nii.gz")
    shutil.copy(next((drawn / "pancreas/images").glob("*.nii.gz")), folder / "abdomen.nii.gz")
    shutil.copy(drawn / f"left_ventricle/{HEART}.nii.gz", folder / "heart.nii.gz")
    volume = np.asarray(nib.nifti1.load(folder / "heart.nii.gz").dataobj)
    parts = [around(volume[..., index], truth["heart"][..., index]) for index in (3, 5)]
    Image.fromarray(np.concatenate(parts).T).save(folder / "two.png")
    return folder


def around(image: np.ndarray, mask: np.ndarray, half: int = 50) -> np.ndarray:
    """The square about a mask's centre, as 8-bit grey values."""
    x, y = np.argwhere(mask).mean(0).round().astype(int)
    part = image[x - half : x + half, y - half : y + half].astype(float)
    low, high = np.percentile(part, (0.5, 99.5))
    return ((part - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def server(label_python: str, studies: Path) -> Iterator[LabelClient]:
    """The server of ``make label``."""
    port = free_port()
    arguments = ["-m", "monai_lsext.apps.label", "--studies", str(studies), "--port", str(port)]
    process = start_server(
        label_python, [*arguments, "--app", str(studies.parent / "app")], studies.parent / "log", port
    )
    yield LabelClient(port)
    process.terminate()
    process.wait(30)
