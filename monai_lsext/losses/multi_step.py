"""A loss on every time step of a recurrent evolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss

__all__ = ["STEP_WEIGHT_RULES", "MultiStepLoss", "race_step_weights"]

StepWeights = str | Sequence[float] | Callable[[int], Sequence[float]]


def race_step_weights(num_steps: int) -> list[float]:
    """RACE-net's step weights ``lambda_t = 10**(floor(-T / 2) + t)``, t = 1 .. T.

    Args:
        num_steps: T, >= 1.

    Returns:
        T weights; each is ten times the one before. T = 6 gives 0.01, 0.1, 1, 10, 100, 1000; T = 1 gives 1.

    Raises:
        ValueError: when ``num_steps`` is below 1.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, Eq. 6.
    """
    if num_steps < 1:
        raise ValueError(f"`num_steps` must be >= 1, got {num_steps}")
    return [10.0 ** (math.floor(-num_steps / 2) + t) for t in range(1, num_steps + 1)]


STEP_WEIGHT_RULES: dict[str, Callable[[int], Sequence[float]]] = {
    "race": race_step_weights,
    "uniform": lambda num_steps: [1.0 / num_steps] * num_steps,
    "last": lambda num_steps: [0.0] * (num_steps - 1) + [1.0],
}


class MultiStepLoss(_Loss):
    """Weighted sum of a loss over the time steps, ``sum_t w_t * loss(phi_t, y) + beta * regulariser(phi_t)``.

    Args:
        loss: any loss of (input, target), e.g. ``DiceLoss(sigmoid=True)``.
        step_weights: the w_t: a list of T numbers >= 0, a rule ``race`` (Eq. 6), ``uniform`` (1/T each) or
            ``last`` (only the last step), or a callable T -> T numbers. Default ``race``.
        regulariser: a loss of the input alone, e.g. :class:`EikonalLoss`; default none.
        regulariser_weight: beta, >= 0; default w_1, as in Eq. 6.

    Shape:
        input: list of T tensors [B, K, \\*S] in time order, or one such tensor; target [B, K, \\*S] -> scalar.

    Raises:
        ValueError: for an unknown rule, weights that are negative, all zero or not as many as steps, an empty
            list of steps, or a ``regulariser_weight`` without a ``regulariser``.

    Note:
        One tensor (a net without steps, or eval mode) is T = 1 and weighs 1, the value of every rule there,
        also when ``step_weights`` is a list; so any MONAI net can stand in for a recurrent one.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, Eq. 6.
    """

    def __init__(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        step_weights: StepWeights = "race",
        regulariser: Callable[[Tensor], Tensor] | None = None,
        regulariser_weight: float | None = None,
    ) -> None:
        super().__init__()
        if regulariser_weight is not None and regulariser is None:
            raise ValueError("`regulariser_weight` needs a `regulariser`, got none")
        if regulariser_weight is not None and regulariser_weight < 0:
            raise ValueError(f"`regulariser_weight` must be >= 0, got {regulariser_weight}")
        self.loss = loss
        self.regulariser = regulariser
        self.regulariser_weight = regulariser_weight
        self.set_step_weights(step_weights)

    def set_step_weights(self, step_weights: StepWeights) -> None:
        """Replace the step weights, e.g. from a schedule; takes what the constructor takes."""
        if isinstance(step_weights, str):
            if step_weights not in STEP_WEIGHT_RULES:
                raise ValueError(f"`step_weights` must be one of {sorted(STEP_WEIGHT_RULES)}, got {step_weights!r}")
            step_weights = STEP_WEIGHT_RULES[step_weights]
        self.step_weights = step_weights if callable(step_weights) else _checked(step_weights)

    def weights_for(self, num_steps: int) -> list[float]:
        """The weights of an evolution of ``num_steps`` steps."""
        rule = self.step_weights
        weights = _checked(rule(num_steps)) if callable(rule) else rule
        if len(weights) != num_steps:
            raise ValueError(f"`step_weights` must have one weight per step, got {len(weights)} for {num_steps}")
        return weights

    def forward(self, input: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
        """The loss of all steps against one target."""
        if isinstance(input, Tensor):
            steps, weights = [input], self.weights_for(1) if callable(self.step_weights) else [1.0]
        else:
            steps, weights = list(input), self.weights_for(len(input)) if input else []
        if not steps:
            raise ValueError("`input` must hold at least one step, got an empty list")
        beta = weights[0] if self.regulariser_weight is None else self.regulariser_weight
        terms = []
        for step, weight in zip(steps, weights, strict=True):
            # weights up to 10**3 overflow half precision
            phi = step.float() if step.dtype in (torch.float16, torch.bfloat16) else step
            if weight > 0:
                terms.append(weight * self.loss(phi, target))
            if self.regulariser is not None and beta > 0:
                terms.append(beta * self.regulariser(phi))
        return sum(terms[1:], terms[0])


def _checked(weights: Sequence[float]) -> list[float]:
    values = [float(weight) for weight in weights]
    if not values or not all(math.isfinite(v) and v >= 0 for v in values) or sum(values) == 0:
        raise ValueError(f"`step_weights` must be numbers >= 0, not all 0, got {values}")
    return values
