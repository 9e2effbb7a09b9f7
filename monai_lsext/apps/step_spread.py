"""How much a network's contour still moves in its last steps: what is not settled is worth a look."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["LastSteps", "has_steps", "step_range", "step_spread"]

LAST_STEPS = 3


def has_steps(network: object) -> bool:
    """Whether a network, or a class of networks, gives its evolution."""
    return callable(getattr(network, "evolve", None))


class LastSteps:
    """Output of each of a network's last three steps, one after the other as channels of one result.

    Windows and shifts of an inferer take any number of channels, so it stands in for the network.

    Args:
        network: with ``evolve`` and ``num_steps``, or with ``nets`` that have them; ``output`` is applied to each step
            where there is one.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        # the start is none of the steps
        self.count = min(LAST_STEPS, *(int(net.num_steps) for net in getattr(network, "nets", [network])))

    def __call__(self, image: Tensor) -> Tensor:
        """[B, count * C, \\*S], the last step last."""
        steps = self.network.evolve(image)[-self.count :]
        output = getattr(self.network, "output", None)
        return torch.cat(steps if output is None else [output(phi) for phi in steps], dim=1)


def step_range(probabilities: Tensor) -> Tensor:
    """Range ``max_t p_t - min_t p_t`` of the steps' probabilities at each pixel, of the object where it is largest.

    Shape:
        [T, C, \\*S] -> [\\*S].
    """
    return (probabilities.amax(0) - probabilities.amin(0)).amax(0)


def step_spread(probabilities: Tensor) -> float:
    """Share of the object that the last steps do not agree on.

    ``sum_x (max_t p_t - min_t p_t) / sum_x max_t p_t``: 0 where all steps are equal, 1 where none overlap, and 0 where
    nothing is found. It does not depend on the object's size. Of several objects the largest spread counts.

    Args:
        probabilities: of the objects, 0 to 1.

    Shape:
        [T, C, \\*S].
    """
    largest, least = probabilities.amax(0).flatten(1), probabilities.amin(0).flatten(1)
    shares = (largest - least).sum(1) / largest.sum(1).clamp_min(torch.finfo(largest.dtype).tiny)
    return float(shares.max())
