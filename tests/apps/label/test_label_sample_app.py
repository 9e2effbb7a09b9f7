"""The bundles, unmodified, in MONAI Label's own sample app ``monaibundle``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from label_client import LabelClient, free_port, start_server
from PIL import Image

from monai_lsext.registry import find_bundle

sys.path.append(str(Path(__file__).parents[2] / "bundles"))

from commands import bundle_run

pytestmark = pytest.mark.label

IMAGES = {
    "crls_nuclei": "cells.png",
    "edpcnn_left_ventricle": "heart.nii.gz",
    "fcn_levelset_left_ventricle": "heart.nii.gz",
    "fcn_levelset_liver": "abdomen.nii.gz",
    "pnet_birnn_pancreas": "abdomen.nii.gz",
    "racenet_left_atrium": "atrium.nii.gz",
    "racenet_nuclei": "cells.png",
    "racenet_optic_disc_cup": "eye0.png",
    "rls_object": "eye0.png",
}
START = (
    "from monai_lsext.apps.label.shims import prepare_monailabel; prepare_monailabel(); "
    "from monailabel.main import Main; Main().run()"
)


@pytest.fixture(scope="module")
def sample_app(label_python: str, studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelClient]:
    """The sample app with copies of the bundles."""
    folder = tmp_path_factory.mktemp("sample")
    prefix = subprocess.run([label_python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
    shutil.copytree(Path(prefix.stdout.strip()) / "monailabel/sample-apps/monaibundle", folder / "app")
    (folder / "studies").mkdir()
    for name, image in IMAGES.items():
        shutil.copytree(find_bundle(name), folder / "app/model" / name)
        shutil.copy(studies / image, folder / "studies")
    port = free_port()
    arguments = ["-c", START, "start_server", "--app", str(folder / "app"), "--studies", str(folder / "studies")]
    arguments += ["--host", "127.0.0.1", "--port", str(port), "--conf", "models", ",".join(IMAGES)]
    arguments += ["--conf", "zoo_source", "local", "--conf", "sam2", "false"]
    process = start_server(label_python, arguments, folder / "log", port)
    yield LabelClient(port)
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_the_sample_app_gives_what_the_bundle_gives(
    sample_app: LabelClient, studies: Path, tmp_path: Path, name: str
) -> None:
    image = IMAGES[name]
    case, _, suffix = image.partition(".")
    command = bundle_run(find_bundle(name), "inference.yaml", dataset_dir=studies / image, output_dir=tmp_path)
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    path = tmp_path / f"{case}_{'instances' if name == 'crls_nuclei' else 'seg'}.{suffix}"
    expected = np.asarray(Image.open(path)).T if suffix == "png" else np.asarray(nib.nifti1.load(path).dataobj)
    assert expected.any() or name == "rls_object"
    answer = sample_app.infer(name, case, device="cpu")
    assert answer.status == 200, answer.content
    np.testing.assert_array_equal(answer.mask, expected)
