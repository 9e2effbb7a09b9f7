"""The studies folder as the server reads it: DICOM series become NIfTI volumes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from monai_lsext.apps.dicom.cases import dicom_input
from monai_lsext.atomic import replace_when_done
from monai_lsext.registry import bundle_info

__all__ = ["prepared_studies"]


def prepared_studies(studies: str, app_dir: Path) -> Path:
    """The folder itself, or for one of DICOM files a folder of volumes made of its series.

    A series with several phases gives one volume for each. What is there is not made again, so that labels stay.

    Args:
        studies: a folder with images, or with DICOM files at any depth.
        app_dir: gets ``studies/<name>-<hash of the path>``.

    Raises:
        ValueError: when there is no such folder, or it holds both kinds, or only DICOM that makes no volume.
    """
    folder = Path(studies)
    if not folder.is_dir():
        raise ValueError(f"studies must be an existing folder, got {studies}")
    dicom = dicom_input(str(folder), bundle_info("studies", {}))
    if dicom is None:
        return folder.resolve()
    path = str(folder.resolve())
    target = app_dir / "studies" / f"{folder.resolve().name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    made = 0
    for line in dicom.lines:
        print(line)
    for name in dicom.cases:
        file = target / f"{name}.nii"
        if not file.is_file():
            try:
                with dicom.opened(name) as (item, _), replace_when_done(file) as temporary:
                    shutil.copyfile(item["image"], temporary)
            except ValueError as error:
                print(f"{name}: {error}")
                continue
        made += 1
    if not made:
        raise ValueError(f"no DICOM series in {studies} makes a volume")
    return target.resolve()
