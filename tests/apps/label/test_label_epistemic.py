"""Entropy over dropped units, without a server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.label.epistemic import dropout_id, epistemic_entropy, with_dropout
from monai_lsext.data.phantoms import fundus_phantom
from monai_lsext.registry import BUNDLES, find_bundle


class Answers:
    """Stands for a runner: gives one prediction after the other."""

    def __init__(self, values: list[float], mask: bool) -> None:
        self.values = iter(values)
        self.mask = mask

    def __call__(self, loaded: dict[str, torch.Tensor]) -> Answers:
        loaded["image"] += 1
        value = next(self.values)
        self.pred = torch.tensor([[[0.0, value * 7]]])
        self.probability = None if self.mask else torch.tensor([[[0.5, value]], [[1.0, 0.0]]])
        return self


@pytest.mark.parametrize(("mask", "place", "others"), [(False, 0.3, 0.5), (True, 0.8, 0.0)])
def test_entropy_of_the_mean(mask: bool, place: float, others: float) -> None:
    loaded = {"image": torch.zeros(1)}
    values = [1.0, 1.0, 1.0, 1.0, 0.0] if mask else [0.1, 0.2, 0.3, 0.4, 0.5]
    found = epistemic_entropy(Answers(values, mask), loaded)  # type: ignore[arg-type]
    entropy = -place * np.log(place) - (others * np.log(others) if others else 0)
    assert found == pytest.approx(entropy / 2, abs=1e-6)  # of two pixels
    assert loaded["image"] == 0


def test_the_outermost_dropout_is_meant() -> None:
    for name in BUNDLES:
        config = yaml.safe_load((find_bundle(name) / "configs/inference.yaml").read_text(encoding="utf-8"))
        expected = "network_def#pnet#dropout" if name == "pnet_birnn_pancreas" else "network_def#dropout"
        assert dropout_id(config["network_def"]) == expected
    assert dropout_id({"_target_": "torch.nn.ReLU"}) is None
    assert dropout_id({"_target_": "torch.nn.ReLU", "size": [1, 2]}) is None


def test_units_are_dropped_in_inference_and_the_runner_stays(tmp_path: Path) -> None:
    runner = BundleRunner(find_bundle("racenet_optic_disc_cup"), device="cpu", roi="none")
    dropping = with_dropout(runner, "network_def#dropout")
    layers = [module for module in dropping.network.modules() if module.training]
    assert [(type(layer), layer.p) for layer in layers] == [(torch.nn.Dropout2d, 0.2)] * 4
    path = tmp_path / "eye.png"
    Image.fromarray(fundus_phantom(3).image).save(path)
    loaded = runner.load({"image": str(path)})
    state = torch.get_rng_state()
    score = epistemic_entropy(dropping, loaded)
    assert score > 0
    assert epistemic_entropy(dropping, loaded) == score
    assert torch.equal(torch.get_rng_state(), state)
    for layer in layers:
        layer.p = 0.0
    settled = epistemic_entropy(dropping, loaded)
    probability = runner(loaded).probability
    assert settled == pytest.approx(float(torch.special.entr(torch.as_tensor(probability)).sum(0).mean()), rel=1e-4)
    assert settled != pytest.approx(score, rel=1e-3)
