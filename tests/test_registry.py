"""The registry agrees with the bundles' own metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_lsext.apps.ejection_fraction import EJECTION_FRACTION
from monai_lsext.apps.measure import MEASUREMENTS
from monai_lsext.registry import BUNDLES, PAPERS, BundleInfo, bundle_folders, find_bundle


@pytest.mark.parametrize("info", BUNDLES.values(), ids=BUNDLES)
def test_entry_is_consistent(info: BundleInfo) -> None:
    assert info.paper is None or info.paper in PAPERS
    values = [label.value for label in info.labels]
    assert values == sorted(set(values))
    assert 0 not in values
    assert {value for region in info.regions for value in region.values} == set(values)
    assert set(info.measurements) <= {*MEASUREMENTS, EJECTION_FRACTION}
    colours = [region.colour for region in info.regions]
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize("info", BUNDLES.values(), ids=BUNDLES)
def test_label_names_are_those_of_the_metadata(info: BundleInfo) -> None:
    metadata = json.loads((find_bundle(info.name) / "configs" / "metadata.json").read_text())
    channel_def = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert {str(label.value): label.name for label in info.labels} == {k: v for k, v in channel_def.items() if k != "0"}


def test_a_bundle_is_found_by_name_and_by_directory() -> None:
    by_name = find_bundle("racenet_optic_disc_cup")
    assert by_name == bundle_folders()[0].resolve() / "racenet_optic_disc_cup"
    assert find_bundle(str(by_name)) == by_name


def test_unknown_bundle_names_the_known(tmp_path: Path) -> None:
    text = r"or one of \[.*'racenet_optic_disc_cup'.*\], got .*unicorn"
    with pytest.raises(ValueError, match=text):
        find_bundle(str(tmp_path / "unicorn"))
