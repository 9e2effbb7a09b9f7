"""How much a network's contour still moves in its last steps: what is not settled is worth a look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.data import list_data_collate
from monai.utils import convert_to_tensor
from torch import Tensor, nn

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.networks.nets import RLS

__all__ = ["has_steps", "image_spread", "step_spread"]

LAST_STEPS = 3


def has_steps(network: nn.Module) -> bool:
    """Whether a network gives its evolution."""
    return callable(getattr(network, "evolve", None))


def step_spread(probabilities: Tensor) -> float:
    """Share of the object that the last steps do not agree on.

    ``sum_x (max_t p_t - min_t p_t) / sum_x max_t p_t``: 0 where all steps are equal, 1 where none overlap, and 0 where
    nothing is found. It does not depend on the object's size.

    Args:
        probabilities: of the object, 0 to 1.

    Shape:
        [T, \\*S].
    """
    largest, least = probabilities.amax(0), probabilities.amin(0)
    total = float(largest.sum())
    return float((largest - least).sum()) / total if total > 0 else 0.0


@torch.inference_mode()
def image_spread(runner: BundleRunner, item: dict[str, Any]) -> float:
    """:func:`step_spread` of an image's last three steps, on the grid that the bundle's preprocessing makes.

    Args:
        runner: of a bundle whose network has an evolution; with several nested objects, the largest spread counts.
        item: {"image": path}.

    Raises:
        ValueError: for a network without steps, or an image that the bundle does not take.
    """
    if not has_steps(runner.network):
        raise ValueError(f"{runner.name} has no steps of time")
    batch = list_data_collate([runner.preprocessing(dict(item))])
    image = batch["image"].to(runner.device)
    # all steps as channels of one result: windows and shifts of the bundle's inferer take any number of them
    logits = convert_to_tensor(runner.inferer(image, _steps_of(runner.network))[0], track_meta=False)
    probabilities = torch.sigmoid(logits).unflatten(0, (-1, len(logits) // _count(runner.network)))
    return max(step_spread(probabilities[:, channel]) for channel in range(probabilities.shape[1]))


def _count(network: nn.Module) -> int:
    """Steps that are compared; the start is none of them."""
    nets = getattr(network, "nets", [network])
    return min(LAST_STEPS, *(int(net.num_steps) for net in nets))


def _steps_of(network: Any) -> Callable[[Tensor], Tensor]:
    def last_steps(image: Tensor) -> Tensor:
        steps = network.evolve(image)[-_count(network) :]
        if isinstance(network, RLS):
            steps = [network.output(phi).diff(dim=1) for phi in steps]  # logit of the object against the ground
        return torch.cat(steps, dim=1)

    return last_steps
