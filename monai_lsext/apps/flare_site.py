"""A site of NVIDIA FLARE: a bundle that trains on its own images from the weights that the server sends.

FLARE runs this file at each site, in its simulator or in a real federation:

    python -m monai_lsext.apps.flare_site --bundle racenet_nuclei --dataset_dir DIR --output_dir DIR [ID VALUE ..]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import nvflare.client as flare
import torch
import yaml
from monai.fl.utils.constants import FlStatistics
from monai.fl.utils.exchange_object import ExchangeObject

from monai_lsext.apps.federated import bundle_site

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Train as long as the server sends weights; send back the site's, with the number of steps they took.

    Args:
        argv: arguments, default those of the process; further ids of ``train.yaml`` follow as pairs of id and value.
    """
    parser = argparse.ArgumentParser(description="A bundle as a site of NVIDIA FLARE")
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--dataset_dir", required=True, type=Path)
    parser.add_argument("--output_dir", required=True, type=Path)
    parser.add_argument("--local_epochs", type=int, default=1)
    parser.add_argument("options", nargs="*", metavar="ID VALUE")
    args = parser.parse_args(argv)
    if len(args.options) % 2:
        raise ValueError(f"options must be pairs of id and value, got {args.options}")
    options = {name: yaml.safe_load(value) for name, value in zip(args.options[::2], args.options[1::2], strict=True)}
    flare.init()
    site = bundle_site(args.bundle, args.dataset_dir, args.output_dir, args.local_epochs, **options)
    while flare.is_running():
        received = flare.receive().params
        weights = {name: torch.as_tensor(value) for name, value in received.items()}
        site.train(ExchangeObject(weights=weights))
        update = site.get_weights()
        steps = update.statistics[FlStatistics.NUM_EXECUTED_ITERATIONS]
        # tensors: FLARE leaves out what is none
        params = {name: value.detach().cpu().clone() for name, value in update.weights.items()}
        flare.send(flare.FLModel(params=params, meta={"NUM_STEPS_CURRENT_ROUND": steps}))
    site.finalize()


if __name__ == "__main__":
    main()
