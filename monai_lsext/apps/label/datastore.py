"""MONAI Label's folder of images and labels, which keeps only whole images and labels that fit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import Datastore

from monai_lsext.apps.label.errors import RequestError
from monai_lsext.apps.label.labels import check_image, check_name, label_file

__all__ = ["CheckedDatastore", "existing_image"]


class CheckedDatastore(LocalDatastore):
    """Refuses half an upload, a name that leaves the folder, and a label of another size or place than its image."""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Keep an image that can be read whole."""
        check_name(image_id)
        check_image(image_filename)
        return str(super().add_image(image_id, image_filename, image_info))

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Keep a label as PNG beside a picture, as NIfTI with the image's grid beside NIfTI."""
        check_name(str(getattr(label_tag, "value", label_tag)))
        suffix, content = label_file(label_filename, existing_image(self, image_id))
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(content)
            file.flush()
            return str(super().save_label(image_id, file.name, label_tag, label_info))


def existing_image(datastore: Datastore, image_id: str) -> str:
    """Path of an image of a datastore of any kind.

    Raises:
        RequestError: when there is none of this name, or its file is gone.
    """
    path = datastore.get_image_uri(image_id)
    if not path:
        raise RequestError(f"there is no image {image_id}", 404)
    if not Path(path).exists():
        raise RequestError(f"the file of image {image_id} is gone", 404)
    return str(path)
