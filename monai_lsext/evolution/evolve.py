"""The evolution of a level set under a sum of energies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_lsext.evolution.energies import EnergyTerm
from monai_lsext.evolution.grid import ArctanStep, Block, Grid, Region, StepFunction, check_spacing, inner, replicate

__all__ = ["Evolution", "Observation", "evolve"]


@dataclass(frozen=True)
class Observation:
    """What a callback sees: the level set before each iteration and after the last.

    Args:
        iteration: 0 is the start.
        phi: [B, 1, \\*S]; a copy.
        energies: value of each term for each item [B], by the name of its class (numbered when it occurs twice).
        states: what each term derives from phi, e.g. its means, in the order of the terms.
    """

    iteration: int
    phi: Tensor
    energies: dict[str, Tensor]
    states: tuple[Any, ...]

    @property
    def energy(self) -> Tensor:
        """Sum of all terms [B]."""
        return torch.stack(list(self.energies.values())).sum(0)


@dataclass(frozen=True)
class Evolution:
    """The end of an evolution.

    Args:
        phi: [B, 1, \\*S].
        iterations: how many each item took, [B].
        states: what each term derives from the last phi, e.g. means, bias or pose, in the order of the terms.
    """

    phi: Tensor
    iterations: Tensor
    states: tuple[Any, ...]


def evolve(
    phi0: Tensor,
    terms: Sequence[EnergyTerm],
    num_iter: int,
    step: float,
    tol: float = 0.0,
    spacing: Sequence[float] | None = None,
    step_function: StepFunction | None = None,
    callback: Callable[[Observation], None] | None = None,
    eps: float = 1e-4,
    one_sided: bool = False,
    compiled: bool = False,
) -> Evolution:
    """Descend the sum of the terms' energies from ``phi0``.

    ``phi <- phi + step * v / (1 + step * s)``, v the sum of the terms' flows and s of their stiffnesses: the
    explicit step of the descent, in which the part proportional to -phi(x) is taken at the new time. For a small
    step that is ``phi + step * v``; a large one remains stable.

    Args:
        phi0: start [B, 1, \\*S], positive inside; left as it is.
        terms: energies; at least one.
        num_iter: most iterations, >= 0.
        step: eta, > 0.
        tol: an item ends when its mean ``|phi change|`` per point and iteration is below it; 0 (default): never.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        step_function: smoothed H and delta; default ``ArctanStep()``.
        callback: called with an :class:`Observation` before each iteration and after the last; makes it slower.
        eps: added to squared gradients, > 0, default 1e-4; keeps flows and derivatives finite where phi is flat.
        one_sided: whether differences are those of scikit-image, see :class:`Block`; default False.
        compiled: whether an iteration is fused by ``torch.compile`` (needs a C++ compiler; the first call for a
            shape takes many seconds, so it pays for long or many runs on large images); same result up to rounding.

    Shape:
        phi0 [B, 1, H, W] or [B, 1, H, W, D].

    Returns:
        :class:`Evolution`. Gradients flow through all iterations when phi0 or an image of a term requires them;
        otherwise two buffers are used in turn and a CPU works in blocks that fit its cache.

    Raises:
        ValueError: for a bad shape or an argument out of range.

    Note:
        Each item of a batch ends by itself, so a batch gives what its items give alone.
    """
    _check(phi0, terms, num_iter, step, tol, eps)
    if phi0.dtype in (torch.float16, torch.bfloat16):
        phi0 = phi0.float()
    learning = torch.is_grad_enabled() and any(x.requires_grad for x in _tensors(phi0, terms))
    in_blocks = phi0.device.type == "cpu" and not learning and not compiled
    steps = check_spacing(spacing, phi0.ndim - 2)
    grid = Grid(tuple(phi0.shape), steps, step_function or ArctanStep(), eps, in_blocks, one_sided)
    run = _Functional(phi0, terms, grid, step) if learning else _Buffered(phi0, terms, grid, step, compiled)
    active = torch.ones(len(phi0), dtype=torch.bool, device=phi0.device)
    iterations = torch.zeros(len(phi0), dtype=torch.long, device=phi0.device)
    states: tuple[Any, ...] = (None,) * len(terms)
    for iteration in range(num_iter + 1):
        previous = states
        states = run.update(states)
        if tol > 0 and iteration > 0:
            states = _select(active, states, previous)
        if callback is not None:
            callback(_observe(iteration, run.phi, terms, states, grid))
        if iteration == num_iter or (tol > 0 and not active.any()):
            break
        change = run.advance(states, active if tol > 0 else None)
        iterations += active
        if change is not None:
            active = active & (change >= tol)
    return Evolution(run.phi if learning else run.phi.clone(), iterations, states)


class _Functional:
    """Out-of-place steps, for gradients."""

    def __init__(self, phi: Tensor, terms: Sequence[EnergyTerm], grid: Grid, step: float) -> None:
        self.phi, self.terms, self.grid, self.step = phi, terms, grid, step

    def update(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        return _updated(self.phi, self.terms, states, self.grid)

    def advance(self, states: tuple[Any, ...], active: Tensor | None) -> Tensor | None:
        old = self.phi
        new = _moved(replicate(old), self.grid.regions[0], self.grid, self.terms, states, self.step)
        if active is None:
            self.phi = new
            return None
        self.phi = torch.where(_over_space(active, new), new, old)
        return _change(new.detach(), old.detach()) / old[0].numel()


class _Buffered:
    """Two padded buffers used in turn, without gradients; region by region."""

    def __init__(self, phi: Tensor, terms: Sequence[EnergyTerm], grid: Grid, step: float, compiled: bool) -> None:
        self.old = replicate(phi.detach())
        self.new = torch.empty_like(self.old)
        self.terms, self.grid, self.step = terms, grid, step
        functions: list[Callable[..., Any]] = [_updated, _moved, _change]
        self._updated, self._moved, self._change = list(map(_fused, functions)) if compiled else functions

    @property
    def phi(self) -> Tensor:
        """A view that the next step overwrites."""
        return inner(self.old)

    @torch.no_grad()
    def update(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        return self._updated(self.phi, self.terms, states, self.grid)

    @torch.no_grad()
    def advance(self, states: tuple[Any, ...], active: Tensor | None) -> Tensor | None:
        going = [True] * len(self.old) if active is None else active.tolist()
        total = self.old.new_zeros(len(self.old))
        _continue_evenly(self.old)
        for region in self.grid.regions:
            old, new = region.of(inner(self.old)), region.of(inner(self.new))
            if any(going[region.items]):
                self._moved(region.window(self.old), region, self.grid, self.terms, states, self.step, new)
            if active is not None:
                for index, goes in enumerate(going[region.items]):
                    if not goes:
                        new[index] = old[index]
                total[region.items] += self._change(new, old)
        self.old, self.new = self.new, self.old
        return None if active is None else total / old[0].numel()


@functools.cache
def _fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled, once for the process and each shape."""
    return torch.compile(function, dynamic=False)  # strides known: half the time of a kernel for any shape


def _updated(phi: Tensor, terms: Sequence[EnergyTerm], states: tuple[Any, ...], grid: Grid) -> tuple[Any, ...]:
    return tuple(term.update(phi, state, grid) for term, state in zip(terms, states, strict=True))


def _change(new: Tensor, old: Tensor) -> Tensor:
    """Sum of |change| of each item."""
    return (new - old).abs_().flatten(1).sum(1)


def _moved(
    window: Tensor,
    region: Region,
    grid: Grid,
    terms: Sequence[EnergyTerm],
    states: tuple[Any, ...],
    step: float,
    out: Tensor | None = None,
) -> Tensor:
    """phi of the region after one step."""
    block = Block(window, region, grid)
    flows = [term.flow(block, state) for term, state in zip(terms, states, strict=True)]
    contour, plain = ([flow for flow in flows if flow.on_contour == wanted] for wanted in (True, False))
    profile, phi = grid.step, block.phi
    value = _weighted_sum([(flow.value, flow.weight) for flow in contour])
    stiff = [(flow.stiffness, flow.weight) for flow in contour if flow.stiffness is not None]
    if isinstance(profile, ArctanStep) and not plain and value is not None:
        # numerator and denominator times (eps**2 + phi**2): no delta to compute
        factor, denominator = step * profile.height * profile.eps, profile.denominator(phi)
        for part, weight in stiff:
            denominator = denominator.add_(part, alpha=factor * weight)
        return _quotient_added(phi, value, denominator, factor, out)
    delta = profile.dirac(phi)
    stiffness = _weighted_sum(stiff)
    v = _total(_weighted_sum([(flow.value, flow.weight) for flow in plain]), None if value is None else delta * value)
    s = _total(
        _weighted_sum([(flow.stiffness, flow.weight) for flow in plain if flow.stiffness is not None]),
        None if stiffness is None else delta * stiffness,
    )
    assert v is not None
    denominator = torch.ones_like(phi) if s is None else s.mul(step).add_(1)
    return _quotient_added(phi, v, denominator, step, out)


def _quotient_added(phi: Tensor, value: Tensor, denominator: Tensor, factor: float, out: Tensor | None) -> Tensor:
    """``phi + factor * value / denominator``."""
    if out is None or torch.compiler.is_compiling():  # a compiler takes no strided `out`, and fuses the copy
        moved = torch.addcdiv(phi, value.expand_as(phi), denominator, value=factor)
        return moved if out is None else out.copy_(moved)
    return torch.addcdiv(phi, value.expand_as(phi), denominator, value=factor, out=out)


def _weighted_sum(parts: list[tuple[Tensor, float]]) -> Tensor | None:
    """None of no parts; those of weight 1 first, which need no product."""
    total: Tensor | None = None
    for value, weight in [part for part in parts if part[1] == 1] + [part for part in parts if part[1] != 1]:
        if total is None and weight == 1:
            total = value
        else:
            total = weight * value if total is None else torch.add(total, value, alpha=weight)
    return total


def _total(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _continue_evenly(padded: Tensor) -> None:
    for axis in range(2, padded.ndim):
        last = padded.shape[axis] - 1
        padded.narrow(axis, 0, 1).copy_(padded.narrow(axis, 1, 1))
        padded.narrow(axis, last, 1).copy_(padded.narrow(axis, last - 1, 1))


def _observe(
    iteration: int, phi: Tensor, terms: Sequence[EnergyTerm], states: tuple[Any, ...], grid: Grid
) -> Observation:
    block, energies = grid.block(phi), {}
    for term, state in zip(terms, states, strict=True):
        name = base = type(term).__name__
        number = 1
        while name in energies:
            number += 1
            name = f"{base}{number}"
        energies[name] = term.energy(block, state)
    return Observation(iteration, phi.clone(), energies, states)


def _select(active: Tensor, new: Any, old: Any) -> Any:
    """``new`` for the items that go on, ``old`` for the ended ones, in nested tuples of tensors [B, ..]."""
    if isinstance(new, Tensor):
        return torch.where(_over_space(active, new), new, old)
    if isinstance(new, tuple):
        parts = [_select(active, a, b) for a, b in zip(new, old, strict=True)]
        return type(new)(*parts) if hasattr(new, "_fields") else tuple(parts)
    return new


def _over_space(active: Tensor, like: Tensor) -> Tensor:
    return active.view(-1, *[1] * (like.ndim - 1))


def _tensors(phi: Tensor, terms: Sequence[EnergyTerm]) -> list[Tensor]:
    return [phi, *(x for term in terms for x in vars(term).values() if isinstance(x, Tensor))]


def _check(phi: Tensor, terms: Sequence[EnergyTerm], num_iter: int, step: float, tol: float, eps: float) -> None:
    if phi.ndim not in (4, 5) or phi.shape[1] != 1:
        raise ValueError(f"`phi0` must have shape [B, 1, H, W] or [B, 1, H, W, D], got {tuple(phi.shape)}")
    if not terms:
        raise ValueError("`terms` must hold at least one energy, got none")
    for name, value in (("num_iter", num_iter), ("tol", tol)):
        if value < 0:
            raise ValueError(f"`{name}` must be >= 0, got {value}")
    for name, value in (("step", step), ("eps", eps)):
        if value <= 0:
            raise ValueError(f"`{name}` must be > 0, got {value}")
