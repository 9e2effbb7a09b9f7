"""pack writes a release that is the same each time, or nothing; --vendor copies what a bundle uses and no more."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml
from tiny_bundle import write_tiny_bundle

from monai_lsext.__main__ import main
from monai_lsext.bundle import code_references, pack
from monai_lsext.bundle.bundle_scripts import bundle_scripts
from monai_lsext.bundle.code_references import config_references
from monai_lsext.bundle.pack import FaultyBundleError, pack_bundle
from monai_lsext.bundle.source import BundleSource
from monai_lsext.bundle.used_modules import UsedModules
from monai_lsext.bundle.vendor import vendor
from monai_lsext.bundle.verify import verify_bundle

TINY_FILES = [
    "LICENSE",
    "configs/evaluate.yaml",
    "configs/inference.yaml",
    "configs/logging.conf",
    "configs/metadata.json",
    "configs/multi_gpu_train.yaml",
    "configs/train.yaml",
    "configs/variants/basicunet.yaml",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.pt",
]
# A package with the traps of the real one: __init__ files that import everything, relative and late imports, data.
FAKE_PACKAGE = {
    "__init__.py": '__version__ = "7"\n',
    "atomic.py": "import os\n",
    "unused.py": "",
    "nets/__init__.py": (
        "from __future__ import annotations\n"
        "from .big import Big, Bigger\nfrom .small import Small as Little\n"
        "SIZES = {'big': Big}\nCOUNT: int = len(SIZES)\n"
        "__all__ = ['Big', 'Bigger', 'COUNT', 'Little', 'SIZES']\n"
    ),
    "nets/big.py": "import tqdm\nclass Big: pass\nclass Bigger: pass\n",
    "nets/small.py": (
        "from ..layers.flow import flow\nfrom monai_lsext import __version__\n"
        "class Small:\n    class Inner: pass\n"
        "    def late(self):\n        from monai_lsext.atomic import os\n"
    ),
    "layers/__init__.py": "from .flow import flow\nfrom .table import lookup\n",
    "layers/flow.py": "def flow(): pass\n",
    "layers/table.py": 'TABLE = "table.json"\ndef lookup(): pass\n',
    "layers/table.json": "{}",
    "layers/other.json": "{}",
    "_bundles/b/table.json": "{}",
}


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("pack") / "tiny")


@pytest.fixture
def tiny(tiny_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny bundle, for which only the quick checks are run."""
    monkeypatch.setattr(pack, "verify_bundle", lambda root: verify_bundle(root, ["files", "versions", "references"]))
    return Path(shutil.copytree(tiny_source, tmp_path / "tiny"))


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "monai_lsext"
    for name, text in FAKE_PACKAGE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(code_references, "PACKAGE_DIR", root)
    return root


def used(*config: str) -> UsedModules:
    return UsedModules(config_references(list(config)))


def test_zip_is_named_and_laid_out_as_in_the_zoo(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pack", str(tiny), "--output", str(tmp_path / "new" / "releases")]) == 0
    path = tmp_path / "new" / "releases" / "tiny_v0.2.0.zip"
    content = path.read_bytes()
    assert capsys.readouterr().out.splitlines() == [
        str(path),
        f"{len(content)} bytes",
        f"SHA-256 {hashlib.sha256(content).hexdigest()}",
    ]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"tiny/{name}" for name in TINY_FILES]
        assert all(archive.read(f"tiny/{name}") == (tiny / name).read_bytes() for name in TINY_FILES)


def test_same_bytes_whatever_lies_beside_and_whenever_packed(tiny: Path, tmp_path: Path) -> None:
    first = pack_bundle(tiny, tmp_path / "first")
    for name in (
        "output/run.csv",
        "configs/__pycache__/a.pyc",
        "docs/.DS_Store",
        "models/checkpoint/training_state.pt",
        "models/.model.pt.tmp",
        "notes.txt",
        ".git/config",
    ):
        (tiny / name).parent.mkdir(parents=True, exist_ok=True)
        (tiny / name).write_text("x")
    for name in reversed(TINY_FILES):
        os.utime(tiny / name, (2_000_000_000, 2_000_000_000))
        (tiny / name).chmod(0o600)
    second = pack_bundle(tiny, tmp_path / "second")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256
    (tiny / "docs" / "README.md").write_text("another text")
    assert pack_bundle(tiny, tmp_path / "second").sha256 != first.sha256


def test_faulty_bundle_is_refused_with_its_faults_and_the_earlier_zip_is_kept(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = pack_bundle(tiny, tmp_path / "out").path.read_bytes()
    (tiny / "LICENSE").unlink()
    assert main(["pack", str(tiny), "--output", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert "files: required file LICENSE is missing" in err
    assert f"{tiny} is not packed" in err
    assert [p.read_bytes() for p in (tmp_path / "out").iterdir()] == [before]
    with pytest.raises(FaultyBundleError, match="files: required file LICENSE is missing"):
        pack_bundle(tiny, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_interrupted_pack_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full_disk)
    with pytest.raises(OSError, match="no space left"):
        pack_bundle(tiny, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_unknown_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(tmp_path / "nothing"), "--output", str(tmp_path)]) == 2
    assert "monai_lsext pack: bundle must be a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("$from monai_lsext.nets import Big as B", ("monai_lsext.nets", "Big")),
        ("$import monai_lsext.nets", ("monai_lsext", "nets")),
        ("$monai_lsext.nets.Little.Inner(@a::b, size=[s / 2 for s in @a#b#0])", ("monai_lsext.nets", "Little")),
        ("$lambda x: monai_lsext.nets.big.Big(@#size, **{@k: 1})", ("monai_lsext.nets.big", "Big")),
        ("monai_lsext.layers.flow.flow", ("monai_lsext.layers.flow", "flow")),
        ("$import_by_name('monai_lsext.layers.flow')", ("monai_lsext.layers", "flow")),
        ("The monai_lsext developers", None),
        ("$my_monai_lsext.nets.Big", None),
    ],
)
def test_references_of_a_config(entry: str, expected: tuple[str, str] | None, fake_package: Path) -> None:
    found = set(config_references({"a": [{"_target_": entry}]}))
    assert expected in found if expected else not found


def test_expression_that_is_no_python() -> None:
    with pytest.raises(ValueError, match=r"an expression must be Python, got \$monai_lsext\.a\("):
        list(config_references("$monai_lsext.a("))


def test_modules_come_with_their_imports_and_no_others(fake_package: Path) -> None:
    sources = used("monai_lsext.nets.Little").sources()
    # small, what it imports relatively and late, and the packages around them; not big, not table
    assert list(sources) == [
        "__init__.py",
        "atomic.py",
        "layers/__init__.py",
        "layers/flow.py",
        "nets/__init__.py",
        "nets/small.py",
    ]
    assert sources["nets/small.py"] == FAKE_PACKAGE["nets/small.py"]
    title = '"""What this bundle uses of monai_lsext{} 0.1.0."""\n'
    future = "from __future__ import annotations\n"
    names = f"\n{future}from .small import Small as Little\n\n__all__ = ['Little']\n"
    assert sources["nets/__init__.py"] == title.format("/nets") + names
    assert sources["layers/__init__.py"] == title.format("/layers")
    assert sources["__init__.py"] == title.format("") + "\n__version__ = '7'\n\n__all__ = ['__version__']\n"


def test_init_keeps_the_statements_that_a_name_rests_on(fake_package: Path) -> None:
    source = used("$from monai_lsext.nets import COUNT").sources()["nets/__init__.py"]
    assert "from .big import Big\nSIZES = {'big': Big}\nCOUNT: int = len(SIZES)\n\n__all__ = ['COUNT']\n" in source
    assert "Little" not in source


def test_a_package_that_is_imported_itself_keeps_all_names(fake_package: Path) -> None:
    source = used("$import monai_lsext.nets as n").sources()["nets/__init__.py"]
    assert "from .big import Big, Bigger\nfrom .small import Small as Little" in source
    assert source.endswith("__all__ = ['Big', 'Bigger', 'COUNT', 'Little', 'SIZES']\n")


def test_data_files_come_with_the_module_that_names_them(fake_package: Path) -> None:
    assert used("monai_lsext.layers.lookup").resources() == ["layers/table.json"]
    assert used("monai_lsext.layers.flow").resources() == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("monai_lsext.nets.Huge", "monai_lsext.nets has no Huge"),
        ("$from monai_lsext.nothing import x", "there is no module monai_lsext.nothing"),
    ],
)
def test_names_that_do_not_exist(name: str, message: str, fake_package: Path) -> None:
    with pytest.raises(ValueError, match=message):
        used(name)


def test_vendored_bundle_refers_to_its_scripts(tiny: Path, fake_package: Path) -> None:
    variant = "# Little of monai_lsext.nets\nimports: [$import monai_lsext]\nnet: {_target_: monai_lsext.nets.Little}\n"
    (tiny / "configs/variants/basicunet.yaml").write_text(variant + "size: $monai_lsext.nets.COUNT + @net.x\n")
    metadata = json.loads((tiny / "configs/metadata.json").read_text())
    metadata["required_packages_version"]["monai-lsext"] = "0.1.0"
    metadata["authors"] = "The monai_lsext developers"
    (tiny / "configs/metadata.json").write_text(json.dumps(metadata))

    vendored = vendor(tiny)

    files = sorted((tiny / "scripts").rglob("*.py"))
    assert vendored.modules == len(files) == 7
    assert vendored.lines == sum(len(file.read_text().splitlines()) for file in files)
    assert yaml.safe_load((tiny / "configs/variants/basicunet.yaml").read_text()) == {
        "imports": ["$import scripts"],
        "net": {"_target_": "scripts.nets.Little"},
        "size": "$scripts.nets.COUNT + @net.x",
    }
    small = (tiny / "scripts/nets/small.py").read_text()
    assert "from scripts import __version__\n" in small
    assert "from scripts.atomic import os\n" in small
    written = json.loads((tiny / "configs/metadata.json").read_text())
    # big.py imports tqdm, which came with the package
    assert written["required_packages_version"].keys() == {"pytorch-ignite", "tqdm"}
    assert written["authors"] == "The monai_lsext developers"
    assert f"({vendored.modules} modules, {vendored.lines} lines)" in (tiny / "docs/README.md").read_text()


def test_import_in_an_unforeseen_form_is_refused(tiny: Path, fake_package: Path) -> None:
    (fake_package / "layers/flow.py").write_text("import os, monai_lsext\ndef flow(): pass\n")
    (tiny / "configs/variants/basicunet.yaml").write_text("net: monai_lsext.nets.Little\n")
    with pytest.raises(ValueError, match=r"layers/flow.py refers to monai_lsext in a form that cannot be rewritten"):
        vendor(tiny)


def test_scripts_of_its_own_are_not_mixed_with_vendored_ones(tiny: Path) -> None:
    (tiny / "scripts").mkdir()
    with pytest.raises(ValueError, match="must not have a folder scripts yet"):
        vendor(tiny)


def test_two_bundles_each_import_their_own_scripts(tmp_path: Path) -> None:
    """scripts has the same name in every bundle, and Python keeps what it has imported."""
    values = []
    for number in (1, 2):
        root = tmp_path / f"bundle{number}"
        (root / "scripts").mkdir(parents=True)
        (root / "configs").mkdir()
        (root / "scripts/__init__.py").write_text(f"NUMBER = {number}\n")
        (root / "configs/metadata.json").write_text("{}")
        (root / "configs/train.yaml").write_text("imports: [$import scripts]\nvalue: $scripts.NUMBER\n")
        with bundle_scripts(root):
            values.append(BundleSource(root).parser("train.yaml").get_parsed_content("value"))
        assert not list(root.rglob("__pycache__"))
    assert values == [1, 2]
