"""Surface distances of anisotropic items against scipy's distance transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor, list_data_collate
from scipy.ndimage import binary_erosion, distance_transform_edt

from monai_lsext.handlers import HausdorffDistanceMM, SurfaceDistanceMM

SPACINGS = [(1.25, 1.25, 2.7), (0.5, 2.0, 1.0)]


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    grid = np.indices((16, 18, 14))
    return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2


def item(mask: np.ndarray, spacing: tuple[float, ...]) -> MetaTensor:
    return MetaTensor(torch.from_numpy(mask[None].astype(np.float32)), affine=np.diag([*spacing, 1.0]))


def surface_distances(a: np.ndarray, b: np.ndarray, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    edges = [mask & ~binary_erosion(mask) for mask in (a, b)]
    to_a, to_b = (distance_transform_edt(~edge, sampling=spacing) for edge in edges)
    return to_b[edges[0]], to_a[edges[1]]


@pytest.fixture
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(ball((8, 9, 7), 4), ball((8, 9, 7), 5)), (ball((7, 9, 6), 3.5), ball((8, 10, 7), 4.5))]


def run(metric, preds: object, labels: object) -> float:
    engine = Engine(lambda _engine, _batch: (preds, labels))
    metric.attach(engine, "mm")
    engine.run([0])
    return engine.state.metrics["mm"]


@pytest.mark.parametrize("symmetric", [True, False])
def test_average_distance_uses_each_items_spacing(pairs, symmetric: bool) -> None:
    expected = []
    for (a, b), spacing in zip(pairs, SPACINGS, strict=True):
        there, back = surface_distances(a, b, spacing)
        expected.append(np.concatenate([there, back]).mean() if symmetric else there.mean())
    preds = [item(a, s) for (a, _), s in zip(pairs, SPACINGS, strict=True)]
    labels = [item(b, s) for (_, b), s in zip(pairs, SPACINGS, strict=True)]
    metric = SurfaceDistanceMM(include_background=True, symmetric=symmetric)
    assert run(metric, preds, labels) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("percentile", [None, 95.0])
def test_hausdorff_distance(pairs, percentile: float | None) -> None:
    a, b = pairs[1]
    spacing = SPACINGS[0]
    expected = max(np.percentile(d, percentile or 100) for d in surface_distances(a, b, spacing))
    metric = HausdorffDistanceMM(include_background=True, percentile=percentile)
    # the spacing of the prediction serves when the ground truth is a plain tensor
    value = run(metric, [item(a, spacing)], [torch.from_numpy(b[None].astype(np.float32))])
    assert value == pytest.approx(expected, rel=1e-5)


def test_2d_items_and_batches() -> None:
    a, b = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    a[2:6, 2:6] = b[2:6, 4:8] = True
    pred, label = (
        MetaTensor(torch.from_numpy(m[None].astype(np.float32)), affine=np.diag([3.0, 0.5, 1, 1])) for m in (a, b)
    )
    lists = run(HausdorffDistanceMM(include_background=True), [pred], [label])
    assert lists == pytest.approx(1.0)
    other = MetaTensor(label.as_tensor(), affine=np.diag([3.0, 2.0, 1, 1]))
    preds = list_data_collate([pred, MetaTensor(pred.as_tensor(), affine=other.affine)])
    batch = run(HausdorffDistanceMM(include_background=True, reduction="sum"), preds, list_data_collate([label, other]))
    assert batch == pytest.approx(1.0 + 4.0)


def test_an_oblique_slice_keeps_its_spacing() -> None:
    turn = np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([3.0, 0.5, 1.0])
    a, b = torch.zeros(1, 12, 12), torch.zeros(1, 12, 12)
    a[:, 2:6, 2:6] = b[:, 4:8, 2:6] = 1
    value = run(
        HausdorffDistanceMM(include_background=True), [MetaTensor(a, affine=affine)], [MetaTensor(b, affine=affine)]
    )
    assert value == pytest.approx(6.0)


def test_plain_tensors_are_refused() -> None:
    mask = torch.ones(1, 4, 4)
    with pytest.raises(TypeError, match="a MetaTensor is needed for its spacing, got Tensor and Tensor"):
        SurfaceDistanceMM().update(([mask], [mask]))
    with pytest.raises(ValueError, match=r"`output` must be \(y_pred, y\), got 1 elements"):
        SurfaceDistanceMM().update([[mask]])
