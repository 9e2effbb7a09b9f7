"""The label server on a folder of DICOM files."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from label_client import LabelClient, free_port, start_server

sys.path.append(str(Path(__file__).parents[1] / "dicom"))

from dicom_files import NAME, ORIGIN, numbers, slices, write

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.label.studies import prepared_studies
from monai_lsext.registry import find_bundle


def test_series_become_volumes_once(tmp_path: Path) -> None:
    values = numbers()
    studies = write(tmp_path / "studies/deep", slices(values)).parent
    folder = prepared_studies(str(studies), tmp_path / "app")
    volume = nib.nifti1.load(folder / f"{NAME}.nii")
    np.testing.assert_array_equal(np.asarray(volume.dataobj), values)
    np.testing.assert_allclose(volume.affine[:3, 3], ORIGIN * [-1, -1, 1], atol=1e-5)
    (folder / f"{NAME}.nii").write_text("labelled since")
    assert prepared_studies(str(studies), tmp_path / "app") == folder
    assert (folder / f"{NAME}.nii").read_text() == "labelled since"


@pytest.mark.label
def test_a_dicom_folder_is_served(label_python: str, studies: Path, tmp_path: Path) -> None:
    heart = np.asarray(nib.nifti1.load(studies / "heart.nii.gz").dataobj)
    folder = write(tmp_path / "dicom", slices(heart.clip(0).astype(np.uint16)))
    port = free_port()
    arguments = ["-m", "monai_lsext.apps.label", "--studies", str(folder), "--port", str(port)]
    arguments += ["--app", str(tmp_path / "app"), "--models", "edpcnn_left_ventricle"]
    process = start_server(label_python, arguments, tmp_path / "log", port)
    try:
        server = LabelClient(port)
        info = server.get("/info/").json
        assert set(info["models"]) == {"edpcnn_left_ventricle", "edpcnn_left_ventricle_click", "refine"}
        assert list(server.get("/datastore/", output="all").json["objects"]) == [NAME]
        answer = server.infer("edpcnn_left_ventricle", NAME, output="image")
        (converted,) = (tmp_path / "app/studies").glob(f"*/{NAME}.nii")
        runner = BundleRunner(find_bundle("edpcnn_left_ventricle"))
        expected = runner(runner.load({"image": str(converted)})).pred[0].numpy()
        assert expected.any()
        np.testing.assert_array_equal(answer.mask, expected)
    finally:
        process.terminate()
        process.wait(30)
