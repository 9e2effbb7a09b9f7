"""Two regions in an image whose brightness drifts: clustering in neighbourhoods, with the bias field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from monai.networks.layers import separable_filtering
from monai.networks.layers.convutils import gaussian_1d
from torch import Tensor

from monai_lsext.evolution.chan_vese import scaled_disk, unit_range
from monai_lsext.evolution.energies import DistanceRegularisation, EnergyTerm, Flow, Length
from monai_lsext.evolution.evolve import Observation, evolve
from monai_lsext.evolution.grid import Block, Grid

__all__ = ["LocalClusters", "LocalIntensityClustering", "local_intensity_clustering"]


class LocalClusters(NamedTuple):
    """State of :class:`LocalIntensityClustering`.

    Args:
        inside: c1 of each item [B, 1].
        outside: c2 of each item [B, 1].
        bias: b [B, 1, \\*S]; ``image / bias`` is the corrected image.
        cost_inside: e1 [B, 1, \\*S].
        cost_outside: e2 [B, 1, \\*S].
    """

    inside: Tensor
    outside: Tensor
    bias: Tensor
    cost_inside: Tensor
    cost_outside: Tensor


class LocalIntensityClustering(EnergyTerm):
    """Clustering with a smooth bias b, ``int e1 H(phi) + e2 (1 - H(phi))``.

    ``e_i(x) = int K(y - x) |I(x) - b(y) c_i|**2 dy``, K a Gaussian; c_i and b minimise the energy in turn, by closed
    forms, once an iteration.

    Args:
        image: I [B, 1, \\*S], best within [0, 1].
        sigma: standard deviation of K in pixels, > 0, default 6; cut at two of them.

    Raises:
        ValueError: for several channels or a ``sigma`` that is not positive.

    Reference:
        Li, Huang, Ding, Gatenby, Metaxas & Gore, "A level set method for image segmentation in the presence of
        intensity inhomogeneities with application to MRI", 2011, Eq. 10, 16, 21, 23.
    """

    def __init__(self, image: Tensor, sigma: float = 6.0) -> None:
        if image.shape[1] != 1:
            raise ValueError(f"`image` must have 1 channel, got {image.shape[1]}")
        if sigma <= 0:
            raise ValueError(f"`sigma` must be > 0, got {sigma}")
        self.image = image
        self.kernel = gaussian_1d(torch.tensor(float(sigma)), truncated=2.0).to(image)
        self.kernel = self.kernel / self.kernel.sum()
        self.window = self._smooth(torch.ones_like(image[:1]))

    def update(self, phi: Tensor, state: LocalClusters | None, grid: Grid) -> LocalClusters:
        inside = grid.step.heaviside(phi)
        shares = (inside, 1 - inside)
        bias = torch.ones_like(phi) if state is None else state.bias
        c1, c2 = self._means(bias, shares)
        bias = self._bias((c1, c2), shares)
        smooth, smooth2 = self._smooth(bias), self._smooth(bias.square())
        square = self.image.square() * self.window
        costs = [
            square - 2 * c * self.image * smooth + c.square() * smooth2 for c in (_spread(c, phi) for c in (c1, c2))
        ]
        return LocalClusters(c1, c2, bias, *costs)

    def flow(self, block: Block, state: LocalClusters) -> Flow:
        return Flow(block.of(state.cost_outside) - block.of(state.cost_inside))

    def energy(self, block: Block, state: LocalClusters) -> Tensor:
        inside = block.grid.step.heaviside(block.phi)
        return block.grid.integral(state.cost_inside * inside + state.cost_outside * (1 - inside))

    def _means(self, bias: Tensor, shares: tuple[Tensor, Tensor]) -> list[Tensor]:
        smooth, smooth2 = self._smooth(bias) * self.image, self._smooth(bias.square())
        return [(smooth * u).flatten(2).sum(2) / ((smooth2 * u).flatten(2).sum(2) + _tiny(bias)) for u in shares]

    def _bias(self, means: Sequence[Tensor], shares: tuple[Tensor, Tensor]) -> Tensor:
        parts = [(_spread(c, u), u) for c, u in zip(means, shares, strict=True)]
        first = self._smooth(self.image * torch.stack([c * u for c, u in parts]).sum(0))
        second = self._smooth(torch.stack([c.square() * u for c, u in parts]).sum(0))
        return first / (second + _tiny(second))

    def _smooth(self, x: Tensor) -> Tensor:
        """K * x over the points of the image alone."""
        return separable_filtering(x, [self.kernel] * (x.ndim - 2), mode="zeros")


def local_intensity_clustering(
    image: Tensor,
    phi0: Tensor | None = None,
    num_iter: int = 200,
    nu: float = 0.01,
    mu: float = 1e-5,
    sigma: float = 6.0,
    step: float = 1000.0,
    tol: float = 0.0,
    spacing: Sequence[float] | None = None,
    callback: Callable[[Observation], None] | None = None,
) -> Tensor:
    """Two regions of an image with a smooth multiplicative bias, ``I = b * (c1 or c2) + noise``.

    ``E = int e1 H(phi) + e2 (1 - H(phi)) + nu int delta |grad phi| + mu int p(|grad phi|)``, see
    :class:`LocalIntensityClustering` and :class:`DistanceRegularisation`.

    Args:
        image: any real image; each item is scaled to [0, 1].
        phi0: start, positive inside; None (default): the largest disc (ball), twice its scaled distance.
        num_iter: most iterations, >= 0, default 200.
        nu: weight of the length, >= 0, default 0.01.
        mu: weight of the distance regularisation, >= 0, default 1e-5.
        sigma: width of the neighbourhoods in pixels, > 0, default 6; some times less than the bias varies in.
        step: > 0, default 1000; the costs of an image in [0, 1] are small.
        tol: an item ends when its mean ``|phi change|`` per point and iteration is below it; 0 (default): never.
        spacing: distance between neighbours along each spatial axis, default 1 (pixels).
        callback: see :func:`evolve`; the bias is in the state of the first term.

    Shape:
        image [B, 1, \\*S], phi0 [B, 1, \\*S] -> phi [B, 1, \\*S]; 2D and 3D.

    Raises:
        ValueError: for a bad shape or an argument out of range.

    Note:
        Li's sigma is 4 and his length 0.001 for images in [0, 1]; noise asks for more. He runs several
        descents of phi for each update of c and b; here they take turns.

    Reference:
        Li et al., "A level set method for image segmentation in the presence of intensity inhomogeneities", 2011.
    """
    image = unit_range(image)
    start = 2 * scaled_disk(image) if phi0 is None else phi0.to(image.dtype)
    terms: list[EnergyTerm] = [LocalIntensityClustering(image, sigma), Length(nu), DistanceRegularisation(mu)]
    return evolve(start, terms, num_iter, step, tol, spacing, None, callback).phi


def _spread(c: Tensor, like: Tensor) -> Tensor:
    return c.view(*c.shape, *[1] * (like.ndim - 2))


def _tiny(x: Tensor) -> float:
    return torch.finfo(x.dtype).tiny
