"""How much a network's answer depends on which of its units are dropped: MONAI Label's epistemic score."""

from __future__ import annotations

import copy
import inspect
from pydoc import locate
from typing import Any

import torch
from torch import nn

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.bundle.source import BundleSource, built

__all__ = ["dropout_id", "epistemic_entropy", "with_dropout"]

# as MONAI Label's own apps do
_DROPOUT, _SIMULATIONS = 0.2, 5


def dropout_id(definition: Any, name: str = "network_def") -> str | None:
    """Id of the outermost ``dropout`` that a network's definition takes; None where it takes none.

    Args:
        definition: of the network, with ``_target_``.
        name: its id in the config.
    """
    if not isinstance(definition, dict):
        return None
    target: Any = locate(str(definition.get("_target_")))
    if target is not None and "dropout" in inspect.signature(target).parameters:
        return f"{name}#dropout"
    found = (dropout_id(part, f"{name}#{key}") for key, part in definition.items())
    return next((place for place in found if place), None)


def with_dropout(runner: BundleRunner, place: str) -> BundleRunner:
    """The same inference by the same weights, but each call drops units at random, with probability 0.2.

    Normalisation stays as in inference: dropout layers alone are in training mode.

    Args:
        runner: of a bundle; stays as it is.
        place: as :func:`dropout_id` gives it.
    """
    parser = BundleSource(runner.config_path.parents[1]).parser("inference.yaml")
    parser[place] = _DROPOUT
    network = built(parser, "network_def", "inference.yaml")
    network.load_state_dict(runner.network.state_dict())
    network.to(runner.device).eval()
    for module in network.modules():
        module.train(isinstance(module, nn.modules.dropout._DropoutNd))
    dropping = copy.copy(runner)
    dropping.network = network
    return dropping


def epistemic_entropy(dropping: BundleRunner, loaded: dict[str, Any]) -> float:
    """Entropy of the mean of five predictions with dropout, the same ones for an image at each call.

    ``mean_x sum_c -p_c(x) log p_c(x)``, with ``p`` the mean of the probabilities of the objects on the file's grid, or
    of the masks where the post-processing makes them of something else.

    Args:
        dropping: as :func:`with_dropout` gives it.
        loaded: as ``dropping.load`` gives it; stays as it is.
    """
    total = torch.zeros(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(_SIMULATIONS):
            prediction = dropping(copy.deepcopy(loaded))
            found = (prediction.pred[:1] > 0).float() if prediction.probability is None else prediction.probability
            total = total + torch.as_tensor(found, dtype=torch.float32)
    return float(torch.special.entr(total / _SIMULATIONS).sum(0).mean())
