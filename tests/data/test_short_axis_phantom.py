"""Short-axis phantoms: the same seed gives the same bytes, the anatomy keeps its order, and files tell the truth."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import label as components

from monai_lsext.data.datalists import acdc_datalist
from monai_lsext.data.phantoms import PHANTOM_TASKS, short_axis_phantom, write_short_axis_phantoms
from monai_lsext.data.phantoms.heart import taper


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_axis_phantoms(tmp_path_factory.mktemp("short_axis") / "set", num=3, seed=2)


def test_same_seed_same_bytes() -> None:
    first, second, other = (short_axis_phantom(seed, (64, 72), 6) for seed in (7, 7, 8))
    for frame, same in ((first.ed, second.ed), (first.es, second.es)):
        assert frame.image.tobytes() == same.image.tobytes()
        assert frame.label.tobytes() == same.label.tobytes()
    assert first.ed.image.tobytes() != other.ed.image.tobytes()


def test_taper_is_an_ellipse_between_base_and_apex() -> None:
    expected = [0, np.sqrt(1 - (0.25 / 0.8) ** 2), 1, np.sqrt(1 - (0.75 / 0.8) ** 2), 0]
    np.testing.assert_allclose(taper(np.array([-0.1, 0, 0.25, 1, 1.1])), expected)


@pytest.mark.parametrize("seed", range(6))
def test_anatomy(seed: int) -> None:
    phantom = short_axis_phantom(seed)
    for image, label in (phantom.ed, phantom.es):
        assert (image.dtype, label.dtype) == (np.int16, np.uint8)
        assert image.shape == label.shape
        assert all(160 <= side <= 200 for side in image.shape[:2])
        assert image.shape[2] in (8, 9, 10)
        assert not label[..., [0, -1]].any()  # above the base and below the apex
        present = np.flatnonzero((label == 3).any(axis=(0, 1)))
        assert present.tolist() == list(range(present[0], image.shape[2] - 1))
        for k in present:
            cavity, ventricle = label[..., k] == 3, label[..., k] >= 2
            assert components(cavity)[1] == components(ventricle)[1] == 1
            across = np.flatnonzero(ventricle.any(axis=1))
            inside = np.flatnonzero(cavity.any(axis=1))
            assert across[0] < inside[0] <= inside[-1] < across[-1]  # the wall goes all the way round
        assert image[label == 3].mean() > 1.5 * image[label == 2].mean()
        areas = (label == 3).sum(axis=(0, 1))
        assert areas[image.shape[2] - 2] < 0.5 * areas.max()
    dark = phantom.ed.image[phantom.ed.label == 3] < 0.6 * np.median(phantom.ed.image[phantom.ed.label == 3])
    assert 0.01 < dark.mean() < 0.2  # papillary muscles


@pytest.mark.parametrize("seed", range(6))
def test_volumes_and_affine(seed: int) -> None:
    phantom = short_axis_phantom(seed)
    spacing = np.linalg.norm(phantom.affine[:3, :3], axis=0)
    assert 1.4 < spacing[0] < 2.2
    assert spacing[0] == pytest.approx(spacing[1], rel=1e-4)
    assert 7 <= spacing[2] <= 10
    axes = phantom.affine[:3, :3] / spacing
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)
    assert np.linalg.det(axes) == pytest.approx(1, abs=1e-5)
    ed, es = phantom.cavity_ml()
    assert ed == pytest.approx((phantom.ed.label == 3).sum() * spacing.prod() / 1000, rel=1e-5)
    assert 40 < ed < 200
    assert 0.17 < 1 - es / ed < 0.73


def test_noise_of_air_is_rician() -> None:
    image = short_axis_phantom(0).ed.image
    air = image[:12, -12:].astype(float)  # a corner outside the body: Rayleigh, mean / deviation = 1.913
    assert air.mean() / air.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"seed": -1}, "`seed` must be >= 0, got -1"),
        ({"seed": 0, "size": (32, 400)}, r"`size` must be two numbers >= 64, got \(32, 400\)"),
        ({"seed": 0, "num_slices": 5}, "`num_slices` must be >= 6, got 5"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        short_axis_phantom(**arguments)  # type: ignore[arg-type]


def test_written_set(written: Path) -> None:
    with open(written / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["patient"], row["split"]) for row in rows] == [
        ("patient001", "training"),
        ("patient002", "training"),
        ("patient003", "validation"),
    ]
    items = acdc_datalist(written, "all", None) + acdc_datalist(written, "test")
    assert [item["phase"] for item in items] == ["ED", "ES"] * 3
    for row, (ed, es) in zip(rows, zip(items[::2], items[1::2], strict=True), strict=True):
        volumes = []
        for item in (ed, es):
            image, label = (nib.load(item[name]) for name in ("image", "label"))
            np.testing.assert_array_equal(image.affine, label.affine)
            assert image.header.get_xyzt_units()[0] == "mm"
            voxel_ml = np.prod([float(side) for side in label.header.get_zooms()]) / 1000
            volumes.append((np.asanyarray(label.dataobj) == 3).sum() * voxel_ml)
        assert [float(row["ed_ml"]), float(row["es_ml"])] == pytest.approx(volumes, rel=1e-4)
        assert float(row["ejection_fraction"]) == pytest.approx(1 - volumes[1] / volumes[0], abs=1e-3)
    assert [path.name for path in written.parent.iterdir()] == ["set"]


def test_task_writes_the_same_bytes_into_a_shorter_set(written: Path, tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    folder = PHANTOM_TASKS["left_ventricle"](str(tmp_path / "short"), 2, 2)
    files = [path for path in folder.rglob("patient*/*") if path.is_file()]
    assert len(files) == 10
    for path in files:
        assert path.read_bytes() == (written / path.relative_to(folder)).read_bytes()
