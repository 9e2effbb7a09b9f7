"""RACE-net: level-set evolution as a recurrent network with shared weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from monai.networks.layers.factories import Conv
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from monai_lsext.networks.layers.end_padding import cropped, padded
from monai_lsext.networks.layers.image_pyramid import ImagePyramidCNN
from monai_lsext.networks.layers.initial_level_set import InitialLevelSet
from monai_lsext.networks.layers.level_set import gradient_magnitude_and_curvature

__all__ = ["CascadedRACENet", "RACENet"]

# sigmoid is flat beyond; without a bound the velocity, which grows with |grad phi|, can run away within T steps
_PHI_LIMIT = 16.0
# |grad phi|**2 of a signed distance at the default phi_scale; with much less, the derivative of the curvature where
# phi is flat is so large that T steps amplify rounding errors to visible differences
_GRADIENT_EPS = 1e-2


def _features(backbone: nn.Module | None, image: Tensor, in_channels: int, divisor: int) -> Tensor:
    """What the steps see: the image, or the backbone's output for it."""
    if backbone is None:
        return image
    large = padded(image, divisor, 2 * divisor)
    features: Tensor = backbone(large)
    expected = (len(image), in_channels, *large.shape[2:])
    if tuple(features.shape) != expected:
        raise ValueError(
            f"`backbone` must give `in_channels` channels of its input's size, {expected}, got {tuple(features.shape)}"
        )
    return cropped(features, image)


class RACENet(nn.Module):
    """Recurrent active contour evolution network.

    Each of T steps, with shared weights, moves the level set by a learned balloon and curvature velocity::

        phi_{t+1} = w_0 phi_t + w_1 g(I, phi_t) |grad phi_t| + w_2 h(I) kappa(phi_t) |grad phi_t| + b

    g and h are :class:`ImagePyramidCNN`; h depends on the image alone and is computed once.
    ``sigmoid(phi_T) > 0.5``, that is ``phi_T > 0``, is the mask.

    In training mode ``forward`` returns the list [phi_1, .., phi_T]; in eval mode phi_T alone. For the whole
    evolution in eval mode (pictures, uncertainty) call :meth:`evolve`.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image, >= 1.
        num_filters: N of the velocity CNNs, >= 1.
        num_steps: T, >= 1.
        kernel_sizes: S_3 .. S_0 of the velocity CNNs, coarse to fine, odd; one pyramid level each.
        initial: name of the initial level set when ``forward`` gets none, see :class:`InitialLevelSet`.
        dropout: probability of dropping an activation of the velocity CNNs, default 0.
        phi_scale: factor from pixels to the level set's own unit, > 0, default 0.1: one unit is ten pixels.
        checkpoint_steps: in training keep only phi of each step and compute the rest of it again for the gradient,
            default False; with large volumes the memory of one step instead of T, for a third more time.
        he_weights: draw the velocity CNNs' weights by He's rule, default False: torch's own, with which an
            activation fades to a thousandth on its way through the four levels. In 3D the training starts sooner.
        backbone: any network before the steps, trained with them: they see its output of ``in_channels`` channels,
            as large as its input, instead of the image. Default None: they see the image.
        divisor: with a backbone, images are padded to a multiple of it, by replication, and the features cropped,
            >= 1, default 16 (four halvings).

    Shape:
        image [B, in_channels, \\*S], or as the backbone takes it, and phi0 [B, 1, \\*S] (pixels, positive inside)
        -> phi [B, 1, \\*S].
        Any S of at least 2**(L-1) per axis: padded inside to a multiple of it, cropped after.

    Raises:
        ValueError: for an argument out of range, an image with other channels or too small, or a ``phi0`` of
            another shape than the image.

    Note:
        The paper is silent on the scale of phi_0. In pixels, the sigmoid saturates a few pixels off the
        contour and most of the image gives no gradient; a tenth of it learns faster and more steadily.
        The update starts near the identity (w_0 = 1, w_1 = w_2 = 0.1, b = 0), so that an untrained net barely
        moves the contour. Nothing in Eq. 3 bounds phi; here each step is clamped to +-16, where sigmoid is flat.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net: a recurrent neural network for biomedical image segmentation",
        IEEE J. Biomed. Health Inform., 2018, Eq. 3 and Fig. 1.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_filters: int,
        num_steps: int,
        kernel_sizes: Sequence[int],
        initial: str = "border",
        dropout: float = 0.0,
        phi_scale: float = 0.1,
        checkpoint_steps: bool = False,
        he_weights: bool = False,
        backbone: nn.Module | None = None,
        divisor: int = 16,
    ) -> None:
        super().__init__()
        if divisor < 1:
            raise ValueError(f"`divisor` must be >= 1, got {divisor}")
        if num_steps < 1:
            raise ValueError(f"`num_steps` must be >= 1, got {num_steps}")
        if phi_scale <= 0:
            raise ValueError(f"`phi_scale` must be > 0, got {phi_scale}")
        arguments = (spatial_dims, in_channels, num_filters, kernel_sizes)
        self.num_steps = num_steps
        self.phi_scale = phi_scale
        self.checkpoint_steps = checkpoint_steps
        self.backbone = backbone
        self.divisor = divisor
        self.initial = InitialLevelSet(initial)
        self.balloon = ImagePyramidCNN(*arguments, with_phi=True, dropout=dropout)
        self.bending = ImagePyramidCNN(*arguments, with_phi=False, dropout=dropout)
        if he_weights:
            self.balloon.draw_he_weights()
            self.bending.draw_he_weights()
        self.update = Conv[Conv.CONV, spatial_dims](3, 1, 1)
        with torch.no_grad():
            self.update.weight.copy_(torch.tensor([1.0, 0.1, 0.1]).view_as(self.update.weight))
            self.update.bias.zero_()
        if spatial_dims == 2:
            # the same numbers in another order in memory: with so few channels, nearly twice as fast on a CPU
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor, phi0: Tensor | None = None) -> Tensor | list[Tensor]:
        """The last level set, or in training mode those of all steps."""
        steps = self.evolve(image, phi0)
        return steps[1:] if self.training else steps[-1]

    def evolve(self, image: Tensor, phi0: Tensor | None = None) -> list[Tensor]:
        """The whole evolution [phi_0, phi_1, .., phi_T], in the unit of ``phi_scale``."""
        image = _features(self.backbone, image, self.balloon.in_channels, self.divisor)
        self._check(image, phi0)
        phi = (self.initial(image) if phi0 is None else phi0).to(image.dtype) * self.phi_scale
        start = phi
        image, phi = padded(image, self.balloon.divisor), padded(phi, self.balloon.divisor)
        h = self.bending(self.bending.project(image))
        projected = self.balloon.project(image)
        steps = []
        for _ in range(self.num_steps):
            if self.checkpoint_steps and torch.is_grad_enabled():
                phi = cast(Tensor, checkpoint(self._step, phi, h, projected, use_reentrant=False))
            else:
                phi = self._step(phi, h, projected)
            steps.append(phi)
        return [start] + [cropped(step, start) for step in steps]

    def _step(self, phi: Tensor, h: Tensor, projected: list[Tensor]) -> Tensor:
        """One step of the recurrence; ``projected`` is the image's share of g."""
        magnitude, curvature = gradient_magnitude_and_curvature(phi, eps=_GRADIENT_EPS)
        g = self.balloon(projected, phi)
        moved = self.update(torch.cat([phi, g * magnitude, h * curvature * magnitude], dim=1))
        return moved.clamp(-_PHI_LIMIT, _PHI_LIMIT)

    def _check(self, image: Tensor, phi0: Tensor | None) -> None:
        cnn = self.balloon
        if image.ndim != cnn.spatial_dims + 2 or image.shape[1] != cnn.in_channels:
            expected = f"[B, {cnn.in_channels}, " + ", ".join("HWD"[: cnn.spatial_dims]) + "]"
            raise ValueError(f"`image` must have shape {expected}, got {tuple(image.shape)}")
        if min(image.shape[2:]) < cnn.divisor:
            raise ValueError(
                f"each spatial size must be >= {cnn.divisor}, the pyramid's minimum, got {tuple(image.shape[2:])}"
            )
        shape = (image.shape[0], 1, *image.shape[2:])
        if phi0 is not None and tuple(phi0.shape) != shape:
            raise ValueError(f"`phi0` must have shape {shape}, got {tuple(phi0.shape)}")


class CascadedRACENet(nn.Module):
    """RACE-nets in sequence for nested structures: each starts from the level set where the one before ended.

    The optic cup lies in the optic disc: the disc's net starts from the largest disc in the image, the cup's
    net from the disc's result. No gradient flows from one net to the one before, so training them together
    equals training them one after another.

    In training mode ``forward`` returns a list of max(T_k) tensors in time order; the evolutions are aligned at
    their end, so a shorter one stands at its start until its first step. In eval mode: the last tensor.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image, >= 1.
        num_filters: N of each net.
        num_steps: T of each net, as many as ``num_filters``.
        kernel_sizes: S_3 .. S_0 of all nets.
        initial: name of the first net's initial level set, default ``disk``.
        dropout: probability of dropping an activation, default 0.
        phi_scale: factor from pixels to the level set's own unit, default 0.1.
        backbone: any network before all nets, see :class:`RACENet`; default None.
        divisor: see :class:`RACENet`, default 16.

    Shape:
        image [B, in_channels, \\*S], phi0 [B, 1, \\*S] or None -> phi [B, K, \\*S], K nets, outermost first.

    Raises:
        ValueError: when ``num_filters`` and ``num_steps`` have different lengths or are empty; as :class:`RACENet`.

    Reference:
        Chakravarty & Sivaswamy, "RACE-net", 2018, section IV-A: the disc's result initialises the cup.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        num_filters: Sequence[int],
        num_steps: Sequence[int],
        kernel_sizes: Sequence[int],
        initial: str = "disk",
        dropout: float = 0.0,
        phi_scale: float = 0.1,
        backbone: nn.Module | None = None,
        divisor: int = 16,
    ) -> None:
        super().__init__()
        if len(num_filters) != len(num_steps) or not num_filters:
            raise ValueError(
                f"`num_filters` and `num_steps` must name the same nets, got {len(num_filters)} and {len(num_steps)}"
            )
        self.phi_scale = phi_scale
        self.in_channels = in_channels
        self.backbone = backbone
        self.divisor = divisor
        self.nets = nn.ModuleList(
            RACENet(spatial_dims, in_channels, filters, steps, kernel_sizes, initial, dropout, phi_scale)
            for filters, steps in zip(num_filters, num_steps, strict=True)
        )

    def forward(self, image: Tensor, phi0: Tensor | None = None) -> Tensor | list[Tensor]:
        """The last level sets, or in training mode those of all steps."""
        steps = self.evolve(image, phi0)
        return steps[1:] if self.training else steps[-1]

    def evolve(self, image: Tensor, phi0: Tensor | None = None) -> list[Tensor]:
        """The whole evolution, aligned at its end: max(T_k) + 1 tensors [B, K, \\*S], the start first."""
        image = _features(self.backbone, image, self.in_channels, self.divisor)
        evolutions = []
        for net in self.nets:
            evolutions.append(cast(RACENet, net).evolve(image, phi0))
            phi0 = evolutions[-1][-1].detach() / self.phi_scale
        longest = max(len(steps) for steps in evolutions)
        aligned = [steps[:1] * (longest - len(steps)) + steps for steps in evolutions]
        return [torch.cat(moment, dim=1) for moment in zip(*aligned, strict=True)]
