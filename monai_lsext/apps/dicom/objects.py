"""The DICOM objects that are written for a case."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

import monai_lsext
from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.dicom.seg import Producer, dicom_bytes, highdicom, segmentation_object
from monai_lsext.apps.dicom.volume import DicomVolume
from monai_lsext.registry import BundleInfo

__all__ = ["DicomWriter"]


class DicomWriter:
    """Writes what a bundle found in a volume as DICOM SEG.

    Args:
        runner: the bundle.
        info: names and codes of its labels.
        fractional: whether probabilities are written instead of the mask.

    Raises:
        ValueError: without highdicom, or when probabilities are wanted of a bundle that gives none.
    """

    def __init__(self, runner: BundleRunner, info: BundleInfo, fractional: bool = False) -> None:
        highdicom()  # before the first case is worked on
        if fractional and not runner.gives_probability:
            raise ValueError(
                f"`--fractional` needs a bundle that makes its mask of a probability by AsDiscreted, got {info.name}"
            )
        self.info = info
        self.fractional = fractional
        self.producer = Producer(
            runner.name, str(runner.metadata.get("version", "")), runner.weights_sha256, monai_lsext.__version__
        )

    def files(
        self,
        case: str,
        volume: DicomVolume,
        label_map: np.ndarray,
        probability: Tensor | None,
        report: dict[str, Any],
    ) -> dict[str, bytes]:
        """Name -> content of a case's objects.

        Args:
            label_map: integers [W, H, D], or [W, H] of a single slice.
            probability: as the bundle gave it.
            report: gets a note where nothing was found and no object is written.
        """
        shape = volume.values.shape
        values = None
        if self.fractional:
            values = label_probability(probability, len(self.info.labels)).reshape(-1, *shape)
        seg = segmentation_object(volume, label_map.reshape(shape), self.info, self.producer, values)
        if seg is None:
            report["notes"].append("nothing was found: no DICOM SEG was written")
            return {}
        return {f"{case}_seg.dcm": dicom_bytes(seg)}


def label_probability(probability: Tensor | None, num_labels: int) -> np.ndarray:
    """Probability [L, \\*S] of each label.

    Args:
        probability: [1, \\*S] of one label, or [L + 1, \\*S] with the background first.

    Raises:
        ValueError: for other channels, or values out of 0 .. 1.
    """
    values = np.empty(0) if probability is None else probability.numpy()
    if len(values) == num_labels + 1:
        values = values[1:]
    elif len(values) != 1 or num_labels != 1:
        raise ValueError(
            f"`--fractional` needs a probability for each of {num_labels} labels, got {len(values)} channels"
        )
    # interpolation on the way back to the file's grid may leave the range by rounding
    if not np.isfinite(values).all() or values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise ValueError(f"`--fractional` needs probabilities, got values in {values.min():g} .. {values.max():g}")
    return values.clip(0, 1)
