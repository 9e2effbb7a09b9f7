"""Refinement of a probability map by a level set, as a step of post-processing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.transforms.utils import generate_spatial_bounding_box
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor

from monai_lsext.evolution import ArctanStep, LevelSetRefiner

__all__ = ["LevelSetRefine", "LevelSetRefined"]

_SOME_PROBABILITY = 0.05
_MARGIN_PX = 8


class LevelSetRefine(Transform):
    """Refined probability map ``H(phi)``, above 0.5 inside the level set that :class:`LevelSetRefiner` ends with.

    It stands between ``Activations`` and ``AsDiscrete``: both a threshold of 0.5 and argmax give the refined mask.
    With several channels the first is the background, which becomes one minus the greatest of the others.

    Args:
        refiner: energies and iterations; default ``LevelSetRefiner()``.
        background: whether the first of several channels is the background (softmax), default True; False for
            channels that may overlap (sigmoid).
        slice_wise: whether each slice along the last of three axes has its own level set, for networks that see
            slices; default False.

    Shape:
        probability [C, \\*S] in 0 to 1, image [K, \\*S] or None -> [C, \\*S]; 2D and 3D.

    Raises:
        ValueError: for another number of dimensions, or values outside 0 to 1.

    Note:
        A MetaTensor's spacing counts, relative to its smallest: phi and the weights are in the unit of the shortest
        voxel edge. Only the box with probabilities above 0.05 and 8 points around it is worked on; the rest becomes
        0. Channels are refined one by one.
    """

    def __init__(
        self, refiner: LevelSetRefiner | None = None, background: bool = True, slice_wise: bool = False
    ) -> None:
        self.refiner = LevelSetRefiner() if refiner is None else refiner
        self.background = background
        self.slice_wise = slice_wise

    def __call__(self, probability: Any, image: Any = None) -> Tensor:
        maps = convert_to_tensor(probability, dtype=torch.float32, track_meta=False)
        if maps.ndim not in (3, 4):
            raise ValueError(f"a probability map must have shape [C, H, W] or [C, H, W, D], got {tuple(maps.shape)}")
        low, high = float(maps.min()), float(maps.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"a probability map must lie within 0 to 1, got {low:.3g} to {high:.3g}; activate it first"
            )
        picture = None if image is None else convert_to_tensor(image, dtype=torch.float32, track_meta=False)
        spacing = _relative_spacing(probability, maps.ndim - 1)
        first = 1 if self.background and len(maps) > 1 else 0
        refined = [self._refined(channel[None], picture, spacing) for channel in maps[first:]]
        if first:
            refined.insert(0, 1 - torch.cat(refined).amax(0, keepdim=True))
        return convert_to_dst_type(torch.cat(refined), probability, dtype=torch.float32)[0]

    @torch.no_grad()
    def _refined(self, channel: Tensor, image: Tensor | None, spacing: Sequence[float]) -> Tensor:
        """One channel [1, \\*S]."""
        result = torch.zeros_like(channel)
        start, end = generate_spatial_bounding_box(
            channel, lambda x: x > _SOME_PROBABILITY, margin=_MARGIN_PX, allow_smaller=True
        )
        box = (slice(None), *[slice(a, b) for a, b in zip(start, end, strict=True)])
        part = channel[box]
        if part.numel():
            result[box] = ArctanStep().heaviside(self._phi(part, None if image is None else image[box], spacing))
        return result

    def _phi(self, part: Tensor, image: Tensor | None, spacing: Sequence[float]) -> Tensor:
        """Level set of [1, \\*S], of all slices in one batch when each has its own."""
        if not (self.slice_wise and part.ndim == 4):
            return self.refiner(part[None], None if image is None else image[None], spacing)[0]
        slices = None if image is None else image.movedim(-1, 0)
        return self.refiner(part.movedim(-1, 0), slices, spacing[:2]).movedim(0, -1)


class LevelSetRefined(MapTransform):
    """Dictionary form of :class:`LevelSetRefine`, one entry in any bundle's post-processing.

    .. code-block:: yaml

        - _target_: Activationsd
          keys: pred
          sigmoid: true
        - _target_: monai_lsext.transforms.LevelSetRefined
          keys: pred
        - _target_: AsDiscreted
          keys: pred
          threshold: 0.5

    Args:
        keys: probability maps, usually ``pred``.
        refiner: see :class:`LevelSetRefine`.
        background: see :class:`LevelSetRefine`.
        slice_wise: see :class:`LevelSetRefine`.
        image_key: image on the maps' grid whose edges attract the contour; None (default): none.
        allow_missing_keys: MONAI's option, default False.

    Raises:
        ValueError: as :class:`LevelSetRefine`, naming the key.
    """

    def __init__(
        self,
        keys: KeysCollection,
        refiner: LevelSetRefiner | None = None,
        background: bool = True,
        slice_wise: bool = False,
        image_key: str | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.refine = LevelSetRefine(refiner, background, slice_wise)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image = None if self.image_key is None else d[self.image_key]
        for key in self.key_iterator(d):
            try:
                d[key] = self.refine(d[key], image)
            except ValueError as error:
                raise ValueError(f"`{key}`: {error}") from error
        return d


def _relative_spacing(probability: Any, dims: int) -> tuple[float, ...]:
    """Spacing of a MetaTensor divided by its smallest, 1 for anything else."""
    if not isinstance(probability, MetaTensor):
        return (1.0,) * dims
    spacing = [float(h) for h in probability.pixdim[:dims]]
    return tuple(h / min(spacing) for h in spacing)
