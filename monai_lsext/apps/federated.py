"""Federated training of a bundle in one process: each site trains on its own images, only weights are exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems, FlStatistics
from monai.fl.utils.exchange_object import ExchangeObject
from torch import Tensor
from tqdm import tqdm

from monai_lsext.atomic import replace_when_done
from monai_lsext.bundle.source import BundleSource
from monai_lsext.registry import find_bundle

__all__ = ["average_weights", "bundle_site", "simulate"]

Weights = Mapping[str, Tensor]


def average_weights(weights: Sequence[Weights], shares: Sequence[float]) -> dict[str, Tensor]:
    """Mean of state dicts, ``w = sum_k n_k w_k / sum_k n_k``; entries that are no floating-point numbers: the first's.

    Args:
        weights: of the sites, with the same keys.
        shares: n_k, > 0, usually how much each site has trained on.

    Raises:
        ValueError: without a site, for numbers that do not fit, a share of 0 or less, or other keys.

    Reference:
        McMahan et al., "Communication-efficient learning of deep networks from decentralized data", 2017, Algorithm 1.
    """
    if not weights or len(weights) != len(shares) or min(shares) <= 0:
        raise ValueError(f"`shares` must be one number > 0 for each of {len(weights)} sites, got {list(shares)}")
    if any(other.keys() != weights[0].keys() for other in weights[1:]):
        raise ValueError("`weights` must have the same keys at every site")
    averaged = {}
    for key, first in weights[0].items():
        if first.is_floating_point():
            parts = zip(weights, shares, strict=True)
            mean = torch.stack([site[key].double() * share for site, share in parts]).sum(0) / sum(shares)
            averaged[key] = mean.to(first.dtype)
        else:
            averaged[key] = first
    return averaged


def bundle_site(
    bundle: str, dataset_dir: str | Path, output_dir: str | Path, local_epochs: int = 1, **options: Any
) -> MonaiAlgo:
    """MONAI's client of federated learning for a bundle, initialised; its weights go out whole.

    Args:
        bundle: directory of a bundle, or the name of one that comes with the package; its configs are executed.
        dataset_dir: the site's images.
        output_dir: the site's logs, states and best weights; the bundle's folder is not written to.
        local_epochs: of a round, >= 1, default 1.
        options: further ids of ``train.yaml``.

    Note:
        A schedule of the learning rate must know all rounds: where ``lr_scheduler#T_max`` is a number of epochs, give
        it as an option.
    """
    root = find_bundle(bundle)
    folder = Path(output_dir).absolute()
    shared = {"bundle_root": str(root), "dataset_dir": str(dataset_dir), "output_dir": str(folder), **options}
    site = MonaiAlgo(
        bundle_root=str(root),
        local_epochs=local_epochs,
        send_weight_diff=False,
        config_train_filename="configs/train.yaml",
        train_kwargs={**shared, "ckpt_dir": str(folder / "models")},
        config_evaluate_filename=["configs/train.yaml", "configs/evaluate.yaml"],
        eval_kwargs={**shared, "ckpt_dir": str(folder / "models")},
    )
    site.initialize({ExtraItems.CLIENT_NAME: folder.name})
    return site


def simulate(
    bundle: str,
    sites: Sequence[str | Path],
    output_dir: str | Path,
    rounds: int = 10,
    local_epochs: int = 1,
    **options: Any,
) -> dict[str, Tensor]:
    """Federated averaging over sites, one after the other in this process; each starts a round from the common weights.

    Args:
        bundle: see :func:`bundle_site`.
        sites: folders of images, one for each site.
        output_dir: gets ``site_0``, ``site_1``, .. and the common weights, ``model.pt``.
        rounds: >= 1, default 10.
        local_epochs: of each site in a round, >= 1, default 1.
        options: further ids of ``train.yaml``, for all sites.

    Returns:
        the common weights; a site counts by the steps that it took.

    Raises:
        ValueError: for no site, or less than one round or epoch.
    """
    if not sites:
        raise ValueError("`sites` must name at least one folder, got none")
    for name, value in (("rounds", rounds), ("local_epochs", local_epochs)):
        if value < 1:
            raise ValueError(f"`{name}` must be >= 1, got {value}")
    output = Path(output_dir).absolute()
    if "lr_scheduler#T_max" in BundleSource(find_bundle(bundle)).parser("train.yaml"):
        options = {"lr_scheduler#T_max": rounds * local_epochs, **options}
    clients = [
        bundle_site(bundle, data, output / f"site_{number}", local_epochs, **options)
        for number, data in enumerate(sites)
    ]
    common = dict(clients[0].get_weights().weights)
    for _ in tqdm(range(rounds), desc="federated", unit="round"):
        found = []
        for client in clients:
            client.train(ExchangeObject(weights=common))
            found.append(client.get_weights())
        steps = [part.statistics[FlStatistics.NUM_EXECUTED_ITERATIONS] for part in found]
        common = average_weights([part.weights for part in found], steps)
        with replace_when_done(output / "model.pt") as temporary:
            torch.save(common, temporary)
    for client in clients:
        client.finalize()
    return common
