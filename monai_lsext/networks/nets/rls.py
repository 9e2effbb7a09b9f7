"""RLS: a level set that evolves as the hidden state of a gated recurrent unit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_lsext.networks.layers.initial_level_set import INITIAL_LEVEL_SETS, InitialLevelSet
from monai_lsext.networks.layers.rls_cell import PlaneMap, RLSCell

__all__ = ["RLS", "check_plane"]


class RLS(nn.Module):
    """Recurrent level set: T steps of :class:`RLSCell` with shared weights, then a linear map to two classes.

    ``logits_t = V phi_t + b_V``; softmax over the channels gives background (0) and object (1).

    In training mode ``forward`` returns the list of the T steps' logits; in eval mode the last ones. For the level
    sets (pictures) call :meth:`evolve`.

    Args:
        spatial_dims: 2 or 3, default 2.
        in_channels: channels of the image, >= 1, default 1.
        image_size: side or sides in pixels, default 64; ``dense`` takes images of this size alone.
        form: ``dense`` (default, as published: at 64 x 64 168 million weights) or ``conv`` (any size).
        num_steps: T, >= 1, default 3.
        dropout: probability of dropping a value of the cell's input, default 0.
        kernel_size: side of the convolutions of the form ``conv``, odd, default 5: in 2D 255 weights in all.
        initial: start when ``forward`` gets none: a name of :class:`InitialLevelSet`, default ``disk``, or ``random``.
        seed: seed of the ``random`` start, default 0; the same seed and size give the same start at every call.

    Shape:
        image [B, in_channels, \\*S], phi0 [B, 1, \\*S] (positive inside, any unit) -> logits [B, 2, \\*S].

    Raises:
        ValueError: for an argument out of range; for an image of other channels or, ``dense``, of another size; for a
            ``phi0`` of another shape than the image.

    Note:
        The paper is silent on T and on the scale of its terms. Here the image is brought to mean 0 and standard
        deviation 1, and phi_0 to [-1, 1], the range of tanh, so that squared differences and curvature have sizes of
        order one. Its phi_0 is random: the option ``random`` is uniform in [-1, 1]; the default is the largest disc.

    Reference:
        Le et al., "Recurrent level set networks for instance segmentation", 2019, Eq. 18-23 and Algorithm 1.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        image_size: int | Sequence[int] = 64,
        form: str = "dense",
        num_steps: int = 3,
        dropout: float = 0.0,
        kernel_size: int = 5,
        initial: str = "disk",
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("num_steps", num_steps)):
            if value < 1:
                raise ValueError(f"`{name}` must be >= 1, got {value}")
        if initial not in (*INITIAL_LEVEL_SETS, "random"):
            raise ValueError(f"`initial` must be one of {[*sorted(INITIAL_LEVEL_SETS), 'random']}, got {initial!r}")
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.num_steps = num_steps
        self.initial = None if initial == "random" else InitialLevelSet(initial)
        self.seed = seed
        self.cell = RLSCell(spatial_dims, form, image_size, kernel_size, dropout)
        self.output = PlaneMap(form, spatial_dims, self.cell.image_size, kernel_size, num_planes=2)  # V, b_V
        self.output.set_identity([-1.0, 1.0])

    def forward(self, image: Tensor, phi0: Tensor | None = None) -> Tensor | list[Tensor]:
        """The last logits, or in training mode those of all steps."""
        steps = self.evolve(image, phi0)
        return [self.output(phi) for phi in steps[1:]] if self.training else self.output(steps[-1])

    def evolve(self, image: Tensor, phi0: Tensor | None = None) -> list[Tensor]:
        """The whole evolution [phi_0, phi_1, .., phi_T] of the hidden level set."""
        self._check(image, phi0)
        phi = (self._start(image) if phi0 is None else phi0).to(image.dtype)
        largest = phi.abs().amax(tuple(range(1, phi.ndim)), keepdim=True)
        steps = [phi / largest.clamp_min(torch.finfo(phi.dtype).tiny)]
        image = F.layer_norm(image, image.shape[1:])
        for _ in range(self.num_steps):
            steps.append(self.cell(image, steps[-1]))
        return steps

    def _start(self, image: Tensor) -> Tensor:
        if self.initial is not None:
            return self.initial(image)
        # drawn on the CPU, so that all devices start from the same
        generator = torch.Generator().manual_seed(self.seed)
        field = 2 * torch.rand((1, 1, *image.shape[2:]), generator=generator) - 1
        return field.to(image.device).expand(image.shape[0], *field.shape[1:])

    def _check(self, image: Tensor, phi0: Tensor | None) -> None:
        size = self.cell.image_size if self.cell.form == "dense" else None
        check_plane(image, self.spatial_dims, self.in_channels, size)
        shape = (image.shape[0], 1, *image.shape[2:])
        if phi0 is not None and tuple(phi0.shape) != shape:
            raise ValueError(f"`phi0` must have shape {shape}, got {tuple(phi0.shape)}")


def check_plane(image: Tensor, spatial_dims: int, in_channels: int, size: Sequence[int] | None) -> None:
    """Refuse an image of other channels or axes, or, where ``size`` is given, of another size."""
    fits = image.ndim == spatial_dims + 2 and image.shape[1] == in_channels
    if not fits or (size is not None and tuple(image.shape[2:]) != tuple(size)):
        axes = "HWD"[:spatial_dims] if size is None else size
        expected = ", ".join(str(part) for part in ("B", in_channels, *axes))
        raise ValueError(f"`image` must have shape [{expected}], got {tuple(image.shape)}")
