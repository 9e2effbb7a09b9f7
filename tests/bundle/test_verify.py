"""verify passes a good bundle and names the fault of each broken one."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from breakers import BREAKERS, Breaker, edited_config, edited_metadata, no_licence, renamed_weight
from monai.bundle import verify_metadata
from tiny_bundle import write_tiny_bundle

from monai_lsext.bundle import verify_bundle, verify_main
from monai_lsext.bundle.checks import export
from monai_lsext.bundle.checks.export import largest_difference
from monai_lsext.bundle.checks.metadata import SCHEMA_FILE
from monai_lsext.bundle.source import BundleSource
from monai_lsext.bundle.verify import CHECKS

REAL_BUNDLES = sorted(path.parents[1] for path in Path(__file__).parents[2].glob("bundles/*/models/model.pt"))
# Starting the workflows takes a process of its own, seconds each.
SLOW_CHECKS = ("properties",)


def breaker_cases(bundles: list[Path | None]) -> list[object]:
    cases = []
    for bundle in bundles:
        for breaker in BREAKERS:
            slow = bundle is not None or breaker.check in SLOW_CHECKS
            name = f"{bundle.name if bundle else 'tiny'}-{breaker.name}".replace(" ", "_")
            cases.append(pytest.param(bundle, breaker, id=name, marks=[pytest.mark.slow] if slow else []))
    return cases


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("good") / "tiny")


@pytest.fixture
def tiny_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


def sentences(root: Path, check: str) -> list[str]:
    return [finding.sentence for finding in verify_bundle(root, [check]) if not finding.ok]


def hashes(root: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()}


def test_good_bundle_passes_and_is_left_alone(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = hashes(tiny_bundle)
    status = verify_main(str(tiny_bundle))
    out = capsys.readouterr().out
    assert (status, "FAIL" in out) == (0, False), out
    assert f"tiny: {len(CHECKS)} of {len(CHECKS)} checks passed" in out
    assert all(name in out for name in CHECKS)
    assert hashes(tiny_bundle) == before


def test_faults_do_not_hide_each_other(tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no_licence(tiny_copy)
    renamed_weight(tiny_copy)
    (tiny_copy / "configs/inference.yaml").write_text("a: [")
    assert verify_main(str(tiny_copy)) == 1
    out = capsys.readouterr().out
    for words in ("LICENSE is missing", "renamed_weight", "configs/inference.yaml cannot be read", "weights_sha256"):
        assert words in out


def test_not_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_main(str(tmp_path / "nothing")) == 2
    assert "bundle must be a directory, got" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"`checks` must be among files, .*got nonsense"):
        verify_bundle(tmp_path, ["nonsense"])


@pytest.mark.parametrize(("bundle", "breaker"), breaker_cases([None, *REAL_BUNDLES]))
def test_broken_bundle(bundle: Path | None, breaker: Breaker, tiny_bundle: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(bundle or tiny_bundle, tmp_path / "bundle"))
    assert sentences(root, breaker.check) == []
    breaker.break_bundle(root)
    faults = sentences(root, breaker.check)
    assert any(breaker.expected in fault for fault in faults), faults


def test_an_empty_directory_fails_every_check_that_needs_files(tmp_path: Path) -> None:
    assert "required file configs/train.yaml is missing" in sentences(tmp_path, "files")
    assert all("the check stopped" not in f.sentence for f in verify_bundle(tmp_path, set(CHECKS) - {"properties"}))


def test_schema_serves_monai_too(tiny_bundle: Path, tiny_copy: Path) -> None:
    verify_metadata(meta_file=str(tiny_bundle / "configs/metadata.json"), filepath=SCHEMA_FILE)
    with edited_metadata(tiny_copy) as metadata:
        metadata["network_data_format"]["inputs"]["image"]["num_channels"] = "three"
    with pytest.raises(ValueError, match="'three' is not of type 'integer'"):
        verify_metadata(meta_file=str(tiny_copy / "configs/metadata.json"), filepath=SCHEMA_FILE)


def test_export_exceptions_are_printed(tiny_copy: Path) -> None:
    with edited_metadata(tiny_copy) as metadata:
        metadata["export_exceptions"] = {"onnx": "no operator for grid_sample in 3D"}
    (finding,) = verify_bundle(tiny_copy, ["onnx"])
    assert finding.ok
    assert finding.sentence == "skipped: the metadata excepts it: no operator for grid_sample in 3D"
    assert sentences(tiny_copy, "metadata schema") == []


def test_an_export_that_gives_another_output_is_a_fault(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_onnx_output", lambda network, example, image: network(image) + 0.01)
    (finding,) = verify_bundle(tiny_bundle, ["onnx"])
    assert not finding.ok
    assert finding.sentence.startswith("ONNX output differs by 0.01, must be <= 0.000")


def test_a_net_that_amplifies_rounding_is_allowed_its_own() -> None:
    class Amplifier(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1e5 * ((x + 1000) - 1000)

    image = torch.full((1, 1, 2, 2), 0.1)
    rounding = abs(1e5 * float((torch.tensor(0.1) + 1000) - 1000) - 1e4)
    assert rounding > 1
    expected = Amplifier()(image)
    assert export._difference_fault("ONNX", Amplifier(), image, expected + 5 * rounding) == []
    assert export._difference_fault("ONNX", Amplifier(), image, expected + 20 * rounding) != []


def test_onnx_is_skipped_where_it_is_not_installed(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (finding,) = verify_bundle(tiny_bundle, ["onnx"])
    assert (finding.ok, finding.sentence) == (True, "skipped: onnx not installed")


def test_overlay_only_ids_count_as_used(tiny_copy: Path) -> None:
    with edited_config(tiny_copy, "train.yaml") as config:
        config["world_size"] = 2
    assert sentences(tiny_copy, "unreferenced ids") == ["configs/train.yaml: nothing refers to id world_size"]
    with edited_config(tiny_copy, "multi_gpu_train.yaml") as config:
        config["initialize"].append("$print(@world_size)")
    assert sentences(tiny_copy, "unreferenced ids") == []


def test_macros_and_relative_ids_are_references(tiny_copy: Path) -> None:
    with edited_config(tiny_copy, "train.yaml") as config:
        config["shared_inferer"] = {"_target_": "SimpleInferer"}
        config["train"]["inferer"] = "%shared_inferer"
        config["train"]["dataloader"]["dataset"] = "@##dataset"
    assert sentences(tiny_copy, "references") == []
    assert sentences(tiny_copy, "unreferenced ids") == []
    with edited_config(tiny_copy, "train.yaml") as config:
        del config["shared_inferer"]
    (fault,) = sentences(tiny_copy, "references")
    assert fault == "configs/train.yaml: train#inferer refers to @shared_inferer, which does not exist"


@pytest.mark.parametrize(
    ("step", "argument", "value", "differs"),
    [
        (0, "allow_missing_keys", True, False),
        (0, "reader", "NibabelReader", False),
        (2, "mode", ["bilinear"], False),
        (2, "mode", "nearest", True),
        (2, "spatial_size", "@train#image_size", False),
        (2, "spatial_size", [32, 32], True),
        (0, "_target_", "RandLoadImaged", True),
    ],
)
def test_preprocessing_is_compared_for_the_image(
    tiny_copy: Path, step: int, argument: str, value: object, differs: bool
) -> None:
    with edited_config(tiny_copy, "inference.yaml") as config:
        config["preprocessing"]["transforms"][step][argument] = value
    assert bool(sentences(tiny_copy, "same preprocessing")) == differs


def test_network_values_are_compared_behind_references(tiny_copy: Path) -> None:
    for name, dropout in (("train.yaml", 0.0), ("inference.yaml", 0.25)):
        with edited_config(tiny_copy, name) as config:
            config["rate"] = dropout
            config["network_def"]["dropout"] = "@rate"
    expected = "network_def#dropout differs: 0.0 in train.yaml, 0.25 in inference.yaml"
    assert sentences(tiny_copy, "same network") == [expected]


@pytest.mark.parametrize(
    ("declared", "shape"),
    [
        ([48, 64], (1, 3, 48, 64)),
        (["*", 16], (1, 3, 32, 16)),
        (["8*n", "8*n"], (1, 3, 32, 32)),
        (["2**p", "16*n"], (1, 3, 32, 80)),
        (["32**p"], (1, 3, 32)),
    ],
)
def test_example_sizes(tiny_copy: Path, declared: list[object], shape: tuple[int, ...]) -> None:
    with edited_metadata(tiny_copy) as metadata:
        metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] = declared
    source = BundleSource(tiny_copy)
    assert source.shape("inputs", "image") == shape
    assert source.example().shape == shape
    assert torch.equal(source.example(3), source.example(3))
    assert 0 <= source.example().min() <= source.example().max() < 1


def test_largest_difference() -> None:
    x = torch.tensor([1.0, -2.0])
    assert largest_difference(x, torch.tensor([1.5, -2.25])) == 0.5
    assert largest_difference(x, x[:1]) == float("inf")
    assert largest_difference(x, torch.tensor([1.0, float("nan")])) == float("inf")
