"""Noise along the principal components of the image's own small patches."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_dst_type, convert_to_tensor
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["PatchPCANoise", "PatchPCANoised", "patch_pca"]

SIDE = 3  # of a patch, in voxels


def patch_pca(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and principal components of the 3x3x3 (3x3) patches that tile one channel.

    Args:
        image: [\\*S] with 2 or 3 axes, each of at least 3 points; what is left of an axis beyond a multiple of 3 is
            ignored.

    Returns:
        mean [n] and orthonormal basis [n, n], n = 27 or 9; column j is the component with the j-th smallest variance.
    """
    patches = _cut(image[tuple(slice(size - size % SIDE) for size in image.shape)])
    mean = patches.mean(0)
    centred = patches - mean
    _, basis = torch.linalg.eigh(centred.T @ centred / len(centred))
    return mean, basis


class PatchPCANoise(RandomizableTransform):
    """Adds Gaussian noise to the PCA coefficients of the 3x3x3 patches that tile the image, and reconstructs it.

    ``x' = mean + U (U^T (x - mean) + n)``, ``n ~ N(0, std**2)`` for each of the 27 coefficients (9 in 2D) of each
    patch; U comes from the image's own patches.

    Args:
        std: standard deviation of the noise in the unit of the image, >= 0, default 0.1 (the image being scaled to
            variance 1).
        prob: probability of adding noise at all, 0 to 1, default 1.

    Shape:
        [C, \\*S] with 2 or 3 spatial axes, each of at least 3 points; every channel for itself.

    Raises:
        ValueError: for a ``std`` or ``prob`` out of range, or an image with other axes.

    Note:
        The paper names patches, components and N(0, 0.1), not whether 0.1 is a variance, whether the patches overlap
        or how components are weighed. Here it is the standard deviation and the patches tile the image. U being
        orthonormal, equal noise on all coefficients is white noise in the image: the components matter only where a
        future choice weighs them.

    Reference:
        Chakravarty & Sivaswamy, RACE-net, IEEE JBHI 2018, section IV-A, left atrium.
    """

    def __init__(self, std: float = 0.1, prob: float = 1.0) -> None:
        if std < 0:
            raise ValueError(f"`std` must be >= 0, got {std}")
        if not 0 <= prob <= 1:
            raise ValueError(f"`prob` must be 0 to 1, got {prob}")
        RandomizableTransform.__init__(self, prob)
        self.std = std
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw whether there is noise, and its seed."""
        super().randomize(None)
        self._seed = int(self.R.randint(2**31))

    def __call__(self, img: Any, randomize: bool = True) -> Any:
        """Noisy copy; the same draw as before with ``randomize=False``."""
        if randomize:
            self.randomize()
        if img.ndim not in (3, 4) or min(img.shape[1:]) < SIDE:
            raise ValueError(f"expected [C, W, H] or [C, W, H, D] of at least {SIDE} points, got {tuple(img.shape)}")
        if not self._do_transform:
            return img
        values = convert_to_tensor(img, dtype=torch.float32, track_meta=False)
        generator = np.random.default_rng(self._seed)
        noisy = torch.stack([self._noisy(channel, generator) for channel in values])
        return convert_to_dst_type(noisy, img, dtype=torch.float32)[0]

    def _noisy(self, channel: Tensor, generator: np.random.Generator) -> Tensor:
        mean, basis = patch_pca(channel)
        size = [length + -length % SIDE for length in channel.shape]
        index = torch.meshgrid(
            *[torch.arange(s).clamp(max=n - 1) for s, n in zip(size, channel.shape, strict=True)], indexing="ij"
        )
        coefficients = (_cut(channel[index]) - mean) @ basis
        noise: NDArray[np.float32] = generator.standard_normal(tuple(coefficients.shape), dtype=np.float32)
        patches = mean + (coefficients + self.std * torch.from_numpy(noise)) @ basis.T
        return _join(patches, size)[tuple(slice(length) for length in channel.shape)]


class PatchPCANoised(RandomizableTransform, MapTransform):
    """Dictionary form of :class:`PatchPCANoise`; each item gets noise of its own.

    Args:
        keys: items to change.
        std: see :class:`PatchPCANoise`.
        prob: see :class:`PatchPCANoise`; drawn once for all items.
        allow_missing_keys: MONAI's option, default False.
    """

    def __init__(
        self, keys: KeysCollection, std: float = 0.1, prob: float = 1.0, allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.noise = PatchPCANoise(std)
        RandomizableTransform.__init__(self, prob)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> PatchPCANoised:
        """Seed the draws."""
        super().set_random_state(seed, state)
        self.noise.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the noise."""
        result = dict(data)
        self.randomize(None)
        if self._do_transform:
            for key in self.key_iterator(result):
                result[key] = self.noise(result[key])
        return result


def _cut(image: Tensor) -> Tensor:
    """[\\*S], each a multiple of 3 -> patches [N, 3**d]."""
    dims = image.ndim
    blocks = image.reshape(list(itertools.chain.from_iterable((size // SIDE, SIDE) for size in image.shape)))
    return blocks.permute([*range(0, 2 * dims, 2), *range(1, 2 * dims, 2)]).reshape(-1, SIDE**dims)


def _join(patches: Tensor, size: list[int]) -> Tensor:
    """The inverse of :func:`_cut`."""
    dims = len(size)
    blocks = patches.reshape([s // SIDE for s in size] + [SIDE] * dims)
    return blocks.permute(list(itertools.chain.from_iterable((i, i + dims) for i in range(dims)))).reshape(size)
