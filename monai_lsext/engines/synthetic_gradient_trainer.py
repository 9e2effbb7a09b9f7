"""Trainer of EDPCNN: through a network that imitates the dynamic programme, or by the contour's exact likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.losses import DiceCELoss
from monai.utils import convert_to_tensor
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import nll_loss
from torch.optim import Optimizer

from monai_lsext.networks.layers.contour_likelihood import contour_negative_log_likelihood
from monai_lsext.networks.layers.dp_snake import legalise_contour, minimal_closed_contour
from monai_lsext.networks.layers.star_pattern import smooth_contour
from monai_lsext.networks.nets.edpcnn import EDPCNN
from monai_lsext.networks.unwrap import unwrapped

__all__ = ["TRAINING_MODES", "SyntheticGradientTrainer"]

TRAINING_MODES = ("exact", "synthetic")


class SyntheticGradientTrainer(SupervisedTrainer):
    """``SupervisedTrainer`` of an EDPCNN on ``loss = contour_loss + w * localiser_loss``.

    Each iteration puts the star pattern of each slice with an object on a random pixel of the object, turned by
    a random angle, and reads the costs g [B, N, M] from the map and the true contour from the mask. Then

    * ``exact``: the contour's loss is ``-log P(truth | g) / N``, the likelihood of the true contour among all
      closed contours;
    * ``synthetic`` (the paper's Algorithm 2): S steps of F on ``CE(F(g + sigma * noise), DP(g + sigma * noise))``
      with g fixed, then the contour's loss is ``CE(F(g), truth)`` through F, which is fixed and in eval mode.

    The localiser's loss is that of its logit against the mask, in all slices. A slice without an object
    contributes nothing else.

    Args:
        network: an EDPCNN, bare or in DistributedDataParallel.
        optimizer: its optimiser.
        loss_function: of the localiser, (logit, mask); default ``DiceCELoss(sigmoid=True)``. Not used when the
            network's ``localiser`` is "none".
        mode: "exact" (default) or "synthetic".
        synthetic_network: F, e.g. SyntheticGradientNet: costs [B, N, M] to log-probabilities over the points of
            each line; needed for "synthetic", refused otherwise. Bare or in DistributedDataParallel.
        synthetic_optimizer: F's optimiser, needed with F.
        inner_steps: S, >= 1, default 10.
        sigma: standard deviation of the noise on g, >= 0, default 1. Without noise F fails, says the paper.
        temperature: unit of the costs in the likelihood, > 0, default 1.
        localiser_weight: w, >= 0, default 1.
        kwargs: as for ``SupervisedTrainer`` (``device``, ``max_epochs``, ``train_data_loader``, ..).

    Returns:
        ``engine.state.output`` has ``image``, ``label`` [B, 1, H, W], ``pred`` (the network's maps), ``loss``,
        ``contour_loss``, ``localiser_loss`` unless the localiser is "none", and in mode "synthetic"
        ``synthetic_loss``, the mean loss of F's steps. IterationEvents.INNER_ITERATION_STARTED and _COMPLETED
        fire around each step of F.

    Raises:
        TypeError: when ``network`` is not an EDPCNN.
        ValueError: for an argument out of range, F or its optimiser missing or superfluous; in an iteration, for
            a label of another shape than the image's.

    Note:
        The paper says that the centre is jittered inside the object and the pattern turned, not how: uniformly,
        as in the public code. The true contour is the nearest one within the jump limit; an object that reaches
        beyond the pattern ends at its last point, with a warning. F imitates the smoothed contour, rounded.
        A batch without an object has a contour's loss of 0; F then learns from anywhere in its images, because
        under several processes all must step together. Losses and F are computed in float32 under AMP too.

    Reference:
        Nguyen & Ray, "End-to-end learning of convolutional neural net and dynamic programming for left
        ventricle segmentation" (EDPCNN), 2019, Algorithm 2.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        loss_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        mode: str = "exact",
        synthetic_network: nn.Module | None = None,
        synthetic_optimizer: Optimizer | None = None,
        inner_steps: int = 10,
        sigma: float = 1.0,
        temperature: float = 1.0,
        localiser_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        if mode not in TRAINING_MODES:
            raise ValueError(f"`mode` must be one of {list(TRAINING_MODES)}, got {mode!r}")
        for name, given in (("network", synthetic_network), ("optimizer", synthetic_optimizer)):
            if (given is not None) != (mode == "synthetic"):
                raise ValueError(f"`synthetic_{name}` must be given in mode 'synthetic' alone, got {given} in {mode!r}")
        if inner_steps < 1:
            raise ValueError(f"`inner_steps` must be >= 1, got {inner_steps}")
        if temperature <= 0:
            raise ValueError(f"`temperature` must be > 0, got {temperature}")
        for name, value in (("sigma", sigma), ("localiser_weight", localiser_weight)):
            if value < 0:
                raise ValueError(f"`{name}` must be >= 0, got {value}")
        net = unwrapped(network)
        if not isinstance(net, EDPCNN):
            raise TypeError(f"`network` must be an EDPCNN, got {type(net).__name__}")
        self.net = net
        self.mode = mode
        self.localiser_loss = DiceCELoss(sigmoid=True) if loss_function is None else loss_function
        self.synthetic_network = synthetic_network
        self.synthetic_optimizer = synthetic_optimizer
        self.inner_steps = inner_steps
        self.sigma = sigma
        self.temperature = temperature
        self.localiser_weight = localiser_weight
        super().__init__(network=network, optimizer=optimizer, loss_function=self._loss, **kwargs)

    def _loss(self, maps: Tensor, label: Tensor) -> Tensor:
        """The loss of SupervisedTrainer's iteration; the steps of F lie between the network's two passes."""
        expected = (len(maps), 1, *maps.shape[2:])
        if tuple(label.shape) != expected:
            raise ValueError(f"`label` must have shape {expected}, got {tuple(label.shape)}")
        mask = (convert_to_tensor(label, track_meta=False) > 0.5).float()
        parts = self.state.output
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float()
            loss = self._contour_loss(maps[:, :1], mask)
            parts["contour_loss"] = loss.detach()
            if self.net.localiser != "none":
                localiser_loss = self.localiser_loss(maps[:, 1:2], mask).mean()
                parts["localiser_loss"] = localiser_loss.detach()
                loss = loss + self.localiser_weight * localiser_loss
        return loss

    def _contour_loss(self, score: Tensor, mask: Tensor) -> Tensor:
        """Mean loss of the contours, per line, over the slices with an object."""
        pattern, max_jump = self.net.pattern, self.net.max_jump
        with_object = mask.flatten(1).any(1)
        empty = not with_object.any()
        if not empty:
            score, mask = score[with_object], mask[with_object]
        centre, angle = _random_star(torch.ones_like(mask) if empty else mask)
        cost = pattern.cost(score, centre, angle)
        if self.mode == "synthetic":
            self.state.output["synthetic_loss"] = self._train_synthetic(cost.detach())
        if empty:
            return cost.sum() * 0.0
        truth = pattern.index_from_mask(mask, centre, angle, clamp=True)
        index = legalise_contour(truth, max_jump, pattern.num_points)
        if self.mode == "exact":
            return contour_negative_log_likelihood(cost, index, max_jump, self.temperature).mean() / pattern.num_lines
        return _cross_entropy(self._fixed_synthetic(cost), index)

    def _train_synthetic(self, cost: Tensor) -> Tensor:
        """S steps of F towards the dynamic programme around ``cost``; their mean loss."""
        network, optimizer = cast(nn.Module, self.synthetic_network), cast(Optimizer, self.synthetic_optimizer)
        noisy = cost + self.sigma * torch.randn((self.inner_steps, *cost.shape), device=cost.device)
        index, _ = minimal_closed_contour(noisy.flatten(0, 1), self.net.max_jump)  # one call for all steps
        contours = smooth_contour(index, self.net.smoothing).round().long().view(noisy.shape[:3])
        network.train()
        total = cost.new_zeros(())
        for costs, contour in zip(noisy, contours, strict=True):
            self.fire_event(IterationEvents.INNER_ITERATION_STARTED)
            optimizer.zero_grad()
            loss = _cross_entropy(network(costs), contour)
            loss.backward()
            optimizer.step()
            total += loss.detach() / self.inner_steps
            self.fire_event(IterationEvents.INNER_ITERATION_COMPLETED)
        return total

    def _fixed_synthetic(self, cost: Tensor) -> Tensor:
        """F(cost), whose gradient reaches the cost alone."""
        network = unwrapped(cast(nn.Module, self.synthetic_network)).eval()
        fixed = {name: parameter.detach() for name, parameter in network.named_parameters()}
        return cast(Tensor, functional_call(network, fixed, (cost,)))


def _random_star(mask: Tensor) -> tuple[Tensor, Tensor]:
    """A random pixel [B, 2] of each mask [B, 1, H, W], none of them empty, and a random angle [B]."""
    count = mask.flatten(1).cumsum(1)  # multinomial would draw a number for every pixel
    drawn = (torch.rand(len(mask), 1, device=mask.device) * count[:, -1:]).floor().minimum(count[:, -1:] - 1)
    pixel = torch.searchsorted(count, drawn, right=True)[:, 0]
    centre = torch.stack([pixel // mask.shape[3], pixel % mask.shape[3]], dim=1).float()
    return centre, math.pi * (2 * torch.rand(len(mask), device=mask.device) - 1)


def _cross_entropy(log_probability: Tensor, index: Tensor) -> Tensor:
    return nll_loss(log_probability.transpose(1, 2), index)
