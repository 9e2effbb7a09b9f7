"""Active contours without edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_lsext.evolution.energies import Area, EnergyTerm, Length, RegionFit
from monai_lsext.evolution.evolve import Observation, evolve
from monai_lsext.evolution.grid import ArctanStep
from monai_lsext.networks.layers.initial_level_set import initial_level_set

__all__ = ["chan_vese", "scaled_disk", "unit_range"]

# |grad phi|**2 where phi counts as flat: there the length has no say, and diffusion does not slow down the fit. The
# start has 1e-3 or less, a converged contour more than 1
_FLAT = 0.5
_SCIKIT_IMAGE_EPS = 1e-16


def chan_vese(
    image: Tensor,
    phi0: Tensor | None = None,
    num_iter: int = 500,
    mu: float = 0.0,
    nu: float = 0.1,
    lambda1: float = 1.0,
    lambda2: float = 1.0,
    step: float = 50.0,
    tol: float = 1e-3,
    averages: str = "smooth",
    spacing: Sequence[float] | None = None,
    callback: Callable[[Observation], None] | None = None,
    compiled: bool = False,
) -> Tensor:
    """Two regions of an image by the level set that minimises Chan and Vese's energy.

    ``E = mu int H(phi) + nu int delta(phi) |grad phi| + lambda1 int |I - c1|**2 H(phi)
    + lambda2 int |I - c2|**2 (1 - H(phi))``, c1 and c2 the means of I inside and outside; I is scaled to [0, 1].

    Args:
        image: any real image; each item is scaled over all its channels.
        phi0: start, positive inside; None (default): the largest disc (ball), ``r - |x - c|`` scaled to [-1, 1].
        num_iter: most iterations, >= 0, default 500.
        mu: weight of the area, default 0; negative values grow.
        nu: weight of the length, >= 0, default 0.1.
        lambda1: weight of the fit inside, >= 0, default 1.
        lambda2: weight of the fit outside, >= 0, default 1.
        step: eta, > 0, default 50; see Note.
        tol: an item ends when its mean ``|phi change|`` per point and iteration is below it, default 1e-3; 0: never.
        averages: "smooth" (default): c1, c2 weighted by H(phi), delta with 1/pi, as published; "hard":
            scikit-image's scheme (means over phi > 0, delta without 1/pi), equal to it at equal iterations.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        callback: see :func:`evolve`.
        compiled: see :func:`evolve`.

    Shape:
        image [B, C, \\*S], phi0 [B, 1, \\*S] -> phi [B, 1, \\*S]; 2D and 3D. ``phi > 0`` is the mask.

    Raises:
        ValueError: for a bad shape or an argument out of range.

    Note:
        Steps are semi-implicit (see :func:`evolve`) with differences on the faces between points, as Getreuer's and
        scikit-image's: the energy falls at every step that was tried, 0.5 to 400, where the published explicit step is
        unstable while phi is still as flat as its start. With smooth averages ``sqrt(|grad phi|**2 + 0.5)`` stands
        for ``|grad phi|``, so that the length does not hold a flat start; a converged contour is steep.

    Reference:
        Chan & Vese, "Active contours without edges", 2001; Getreuer, "Chan-Vese segmentation", 2012.
    """
    if phi0 is not None and tuple(phi0.shape) != (len(image), 1, *image.shape[2:]):
        raise ValueError(
            f"`phi0` must have shape {(len(image), 1, *image.shape[2:])}, the image's, got {tuple(phi0.shape)}"
        )
    image = unit_range(image)
    start = scaled_disk(image) if phi0 is None else phi0.to(image.dtype)
    terms: list[EnergyTerm] = [RegionFit(image, lambda1, lambda2, averages), Length(nu)]
    if mu:
        terms.append(Area(mu))
    hard = averages == "hard"
    step_function = ArctanStep(height=1.0) if hard else ArctanStep()
    eps = _SCIKIT_IMAGE_EPS if hard else _FLAT
    return evolve(start, terms, num_iter, step, tol, spacing, step_function, callback, eps, hard, compiled).phi


def unit_range(image: Tensor) -> Tensor:
    """Each item scaled to [0, 1] over all its channels; a constant item becomes 0.

    Shape:
        [B, C, \\*S], the same back; whole numbers and half precision become float32.

    Raises:
        ValueError: for another number of dimensions.
    """
    if image.ndim not in (4, 5):
        raise ValueError(f"`image` must have shape [B, C, H, W] or [B, C, H, W, D], got {tuple(image.shape)}")
    if image.dtype != torch.float64:
        image = image.float()
    flat = image.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    return ((flat - low) / torch.where(high > low, high - low, 1)).view_as(image)


def scaled_disk(image: Tensor) -> Tensor:
    """The largest disc (ball) in the image, ``r - |x - c|`` divided by its largest magnitude, [B, 1, \\*S]."""
    disk = initial_level_set("disk", image.shape[2:], image.device)
    return (disk / disk.abs().max()).to(image.dtype).expand(len(image), *disk.shape[1:])
