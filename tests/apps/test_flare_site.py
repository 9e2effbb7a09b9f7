"""A bundle as a site of NVIDIA FLARE, in its simulator; needs nvflare beside the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_lsext.bundle.source import BundleSource
from monai_lsext.data.phantoms import write_nuclei_phantoms
from monai_lsext.registry import find_bundle

pytest.importorskip("nvflare", reason="NVIDIA FLARE is not installed: pip install nvflare")
pytestmark = pytest.mark.slow

TINY = "window [32,32] crops 1 overlap 0.25 fold null val_interval 100 train#trainer#epoch_length 2"


def test_two_sites_in_the_simulator(tmp_path: Path) -> None:
    """The server's weights move from round to round; each site trains on its own images."""
    from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
    from nvflare.recipe import SimEnv, set_per_site_config

    from monai_lsext.apps import flare_site

    config = BundleSource(find_bundle("racenet_nuclei")).parser("train.yaml")
    network = dict(config["network_def"])
    model = {"class_path": network.pop("_target_"), "args": network}
    start = config.get_parsed_content("network_def").state_dict()
    torch.save(start, tmp_path / "start.pt")
    sites = {}
    for number in (1, 2):
        data = write_nuclei_phantoms(tmp_path / f"data{number}", num=5, seed=number, num_test=1, size=(96, 128))
        own = f"--bundle racenet_nuclei --dataset_dir {data} --output_dir {tmp_path / f'site{number}'}"
        sites[f"site-{number}"] = {"train_args": f"{own} {TINY}"}
    recipe = FedAvgRecipe(
        model=model,
        initial_ckpt=str(tmp_path / "start.pt"),
        min_clients=2,
        num_rounds=2,
        train_script=str(Path(flare_site.__file__)),
    )
    set_per_site_config(recipe, sites)
    recipe.execute(SimEnv(clients=list(sites), workspace_root=str(tmp_path / "flare")))
    (path,) = (tmp_path / "flare").rglob("FL_global_model.pt")
    common = torch.load(path, weights_only=True)["model"]
    assert common.keys() == start.keys()
    moved = [float((common[name] - value).abs().max()) for name, value in start.items()]
    assert 0 < max(moved) < 1
    for number in (1, 2):
        assert (tmp_path / f"site{number}").is_dir()
