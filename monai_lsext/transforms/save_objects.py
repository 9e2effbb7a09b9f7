"""Objects of a map as a file of outlines."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_numpy

from monai_lsext.atomic import replace_when_done
from monai_lsext.data.image_file import case_name
from monai_lsext.data.object_geojson import object_scores, objects_geojson

__all__ = ["SaveObjectsd"]


class SaveObjectsd(MapTransform):
    """Writes ``<case>_contours.geojson``: box, outline, class and score of every object, see :func:`objects_geojson`.

    Args:
        keys: maps of objects, as :class:`InstanceInferer` draws them.
        output_dir: the folder, made when missing.
        class_names: names of the classes 1 to K.
        allow_missing_keys: MONAI's option, default False.

    Shape:
        [3, W, H]: instance ids, class ids, scores.

    Raises:
        ValueError: for a map of another shape.
    """

    def __init__(
        self,
        keys: KeysCollection,
        output_dir: str | os.PathLike[str],
        class_names: Sequence[str],
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_dir = Path(output_dir)
        self.names = dict(enumerate(class_names, 1))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write each map's objects; the data stay as they are."""
        d = dict(data)
        for key in self.key_iterator(d):
            drawn = convert_to_numpy(d[key])
            if drawn.ndim != 3 or len(drawn) != 3:
                raise ValueError(f"a map of objects must have shape [3, W, H], got {drawn.shape}")
            instances, classes = drawn[:2].round().astype(np.int64)
            path = d[key].meta.get("filename_or_obj", "") if isinstance(d[key], MetaTensor) else ""
            content = objects_geojson(instances, classes, self.names, object_scores(instances, drawn[2]))
            self.output_dir.mkdir(parents=True, exist_ok=True)
            with replace_when_done(self.output_dir / f"{case_name(path or 'image')}_contours.geojson") as temporary:
                temporary.write_bytes(content)
        return d
