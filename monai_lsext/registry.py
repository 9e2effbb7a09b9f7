"""What is known of each bundle beyond its own files: paper, labels, codes, colours, measurements; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BUNDLES",
    "PAPERS",
    "PLANES",
    "BundleInfo",
    "Code",
    "Label",
    "Paper",
    "Region",
    "SeriesRule",
    "bundle_folders",
    "bundle_info",
    "find_bundle",
]

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Paper:
    """A publication that a bundle implements."""

    authors: str
    title: str
    journal: str
    year: int
    doi: str


@dataclass(frozen=True)
class Code:
    """A concept of SNOMED CT."""

    value: str
    meaning: str
    scheme: str = "SCT"


@dataclass(frozen=True)
class Label:
    """One value of a label map; ``code`` is None where no SNOMED concept has been verified."""

    value: int
    name: str
    colour: tuple[int, int, int]
    code: Code | None = None


@dataclass(frozen=True)
class Region:
    """A union of labels that is outlined and measured as one structure, such as disc = rim and cup."""

    name: str
    title: str
    values: tuple[int, ...]
    colour: tuple[int, int, int]
    code: Code | None = None


# Normal of a plane in the patient (LPS) and the largest angle to it in degrees. Short axis: the heart's long axis
# points to the left, forward and down.
PLANES: dict[str, tuple[tuple[float, float, float], float]] = {
    "axial": ((0.0, 0.0, 1.0), 30.0),
    "short axis": ((2.0, -2.0, -1.0), 40.0),
}


@dataclass(frozen=True)
class SeriesRule:
    """Which DICOM series a bundle takes; localisers and screen captures never.

    Args:
        modality: DICOM modality, None for any.
        min_slices: least number of slices.
        plane: key of ``PLANES``, None for any.
    """

    modality: str | None = None
    min_slices: int = 1
    plane: str | None = None


@dataclass(frozen=True)
class BundleInfo:
    """One bundle.

    Args:
        paper: key of ``PAPERS``, or None.
        task: what is done, in a few words.
        modality: DICOM modality or the kind of picture.
        takes, gives: input and output, in words.
        spatial_dims: 2 or 3.
        labels: values of the label map; background 0 is left out.
        regions: what is drawn and measured, outer before inner.
        measurements: beyond areas and volumes: names of functions of ``monai_lsext.apps.measure``, and
            ``ejection_fraction`` for a bundle whose last region is the left ventricle's cavity.
        instances: whether objects of one kind are told apart: as connected components, or by the bundle itself, whose
            prediction then has the channels (number of the object, label).
        series: which DICOM series it takes; None: no DICOM.
    """

    name: str
    paper: str | None
    task: str
    modality: str
    takes: str
    gives: str
    spatial_dims: int
    labels: tuple[Label, ...]
    regions: tuple[Region, ...]
    measurements: tuple[str, ...] = ()
    instances: bool = False
    series: SeriesRule | None = None


PAPERS: dict[str, Paper] = {
    "racenet": Paper(
        authors="A. Chakravarty, J. Sivaswamy",
        title="RACE-Net: A Recurrent Neural Network for Biomedical Image Segmentation",
        journal="IEEE Journal of Biomedical and Health Informatics 23(3):1151-1162",
        year=2019,
        doi="10.1109/JBHI.2018.2852635",
    ),
    "edpcnn": Paper(
        authors="N. M. Nguyen, N. Ray",
        title="End-to-end learning of convolutional neural net and dynamic programming for left ventricle segmentation",
        journal="Medical Imaging with Deep Learning (MIDL)",
        year=2020,
        doi="10.48550/arXiv.1812.00328",
    ),
    "fcn_levelset": Paper(
        authors="M. Tang, S. Valipour, Z. Zhang, D. Cobzas, M. Jagersand",
        title="A Deep Level Set Method for Image Segmentation",
        journal="Deep Learning in Medical Image Analysis (DLMIA), LNCS 10553:126-134",
        year=2017,
        doi="10.1007/978-3-319-67558-9_15",
    ),
    "pnet_birnn": Paper(
        authors="J. Cai, L. Lu, F. Xing, L. Yang",
        title="Pancreas Segmentation in CT and MRI Images via Domain Specific Network Designing and Recurrent Neural "
        "Contextual Learning",
        journal="arXiv:1803.11303",
        year=2018,
        doi="10.48550/arXiv.1803.11303",
    ),
    "rls": Paper(
        authors="T. H. N. Le, K. Luu, M. Savvides, K. G. Quach, C. N. Duong",
        title="Recurrent Level Set Networks for Instance Segmentation",
        journal="IntechOpen",
        year=2019,
        doi="10.5772/intechopen.84675",
    ),
}

_GREEN, _BLUE = (0, 230, 118), (41, 98, 255)
# Region colours of a bundle that is not listed: told apart with every common colour vision deficiency (Okabe & Ito).
_OTHER_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (204, 121, 167))

BUNDLES: dict[str, BundleInfo] = {
    info.name: info
    for info in (
        BundleInfo(
            name="racenet_optic_disc_cup",
            paper="racenet",
            task="optic disc and cup",
            modality="fundus photograph",
            takes="RGB photograph",
            gives="1 disc rim, 2 cup",
            spatial_dims=2,
            labels=(Label(1, "optic disc rim", _GREEN), Label(2, "optic cup", _BLUE)),
            regions=(
                Region("disc", "optic disc", (1, 2), _GREEN, Code("81016008", "Optic disc")),
                Region("cup", "optic cup", (2,), _BLUE),
            ),
            measurements=("vertical_cup_to_disc_ratio",),
            series=SeriesRule("OP"),
        ),
        BundleInfo(
            name="edpcnn_left_ventricle",
            paper="edpcnn",
            task="left ventricle",
            modality="MR",
            takes="short-axis MR, volume or slice",
            gives="1 cavity of the left ventricle",
            spatial_dims=2,
            labels=(Label(1, "left ventricle", _GREEN, Code("87878005", "Left ventricle")),),
            regions=(Region("left_ventricle", "left ventricle", (1,), _GREEN, Code("87878005", "Left ventricle")),),
            measurements=("ejection_fraction",),
            series=SeriesRule("MR", 3, "short axis"),
        ),
        BundleInfo(
            name="fcn_levelset_left_ventricle",
            paper="fcn_levelset",
            task="left ventricle",
            modality="MR",
            takes="short-axis MR, volume or slice",
            gives="1 cavity of the left ventricle",
            spatial_dims=2,
            labels=(Label(1, "left ventricle", _GREEN, Code("87878005", "Left ventricle")),),
            regions=(Region("left_ventricle", "left ventricle", (1,), _GREEN, Code("87878005", "Left ventricle")),),
            measurements=("ejection_fraction",),
            series=SeriesRule("MR", 3, "short axis"),
        ),
        BundleInfo(
            name="fcn_levelset_liver",
            paper="fcn_levelset",
            task="liver",
            modality="CT",
            takes="abdominal CT, volume or 8-bit slice",
            gives="1 liver",
            spatial_dims=2,
            labels=(Label(1, "liver", _GREEN, Code("10200004", "Liver")),),
            regions=(Region("liver", "liver", (1,), _GREEN, Code("10200004", "Liver")),),
            series=SeriesRule("CT", 3, "axial"),
        ),
        BundleInfo(
            name="racenet_nuclei",
            paper="racenet",
            task="nuclei",
            modality="microscopy of stained sections",
            takes="RGB picture",
            gives="1 nucleus",
            spatial_dims=2,
            labels=(Label(1, "nucleus", _GREEN, Code("84640000", "Nucleus")),),
            regions=(Region("nuclei", "nuclei", (1,), _GREEN, Code("84640000", "Nucleus")),),
            instances=True,
        ),
        BundleInfo(
            name="crls_nuclei",
            paper="rls",
            task="nuclei, one by one",
            modality="microscopy: stained, fluorescence or bright field",
            takes="RGB picture",
            gives="instances, scores, 1 nucleus",
            spatial_dims=2,
            labels=(Label(1, "nucleus", _GREEN, Code("84640000", "Nucleus")),),
            regions=(Region("nuclei", "nuclei", (1,), _GREEN, Code("84640000", "Nucleus")),),
            instances=True,
        ),
        BundleInfo(
            name="rls_object",
            paper="rls",
            task="one object",
            modality="any grey picture",
            takes="grey or RGB picture with one object in its middle half",
            gives="1 object",
            spatial_dims=2,
            labels=(Label(1, "object", _GREEN),),
            regions=(Region("object", "object", (1,), _GREEN),),
        ),
        BundleInfo(
            name="pnet_birnn_pancreas",
            paper="pnet_birnn",
            task="pancreas",
            modality="CT",
            takes="abdominal CT, volume or 8-bit slice",
            gives="1 pancreas",
            spatial_dims=3,
            labels=(Label(1, "pancreas", _GREEN, Code("15776009", "Pancreas")),),
            regions=(Region("pancreas", "pancreas", (1,), _GREEN, Code("15776009", "Pancreas")),),
            series=SeriesRule("CT", 3, "axial"),
        ),
        BundleInfo(
            name="racenet_left_atrium",
            paper="racenet",
            task="left atrium",
            modality="MR",
            takes="MR volume around the left atrium",
            gives="1 left atrium",
            spatial_dims=3,
            labels=(Label(1, "left atrium", _GREEN, Code("82471001", "Left atrium")),),
            regions=(Region("left_atrium", "left atrium", (1,), _GREEN, Code("82471001", "Left atrium")),),
            series=SeriesRule("MR", 16),
        ),
    )
}


def bundle_info(name: str, channel_def: dict[str, str]) -> BundleInfo:
    """The registry's entry, or for a bundle that is not listed one region per label of its metadata, for any series.

    Args:
        name: the bundle's name.
        channel_def: value -> name of the output, from ``metadata.json``; background 0 is left out.
    """
    if name in BUNDLES:
        return BUNDLES[name]
    named = [(int(value), title) for value, title in sorted(channel_def.items()) if int(value) != 0]
    coloured = [(value, title, _OTHER_COLOURS[i % len(_OTHER_COLOURS)]) for i, (value, title) in enumerate(named)]
    return BundleInfo(
        name=name,
        paper=None,
        task="",
        modality="",
        takes="image",
        gives=", ".join(f"{value} {title}" for value, title in named),
        spatial_dims=2,
        labels=tuple(Label(value, title, colour) for value, title, colour in coloured),
        regions=tuple(Region(title.replace(" ", "_"), title, (value,), colour) for value, title, colour in coloured),
        series=SeriesRule(),
    )


def bundle_folders() -> list[Path]:
    """Folders whose bundles are trusted: ``bundles/`` of the repository, and the installed package's copy."""
    folders = [_PACKAGE / "_bundles"]
    if (_PACKAGE.parent / "pyproject.toml").is_file():
        folders.insert(0, _PACKAGE.parent / "bundles")
    return [folder for folder in folders if folder.is_dir()]


def find_bundle(name_or_path: str) -> Path:
    """Directory of a bundle, given itself or by the name of one that comes with the package.

    Raises:
        ValueError: when there is no such bundle.
    """
    for path in (Path(name_or_path), *(folder / name_or_path for folder in bundle_folders())):
        if (path / "configs" / "inference.yaml").is_file():
            return path.resolve()
    raise ValueError(
        f"bundle must be a directory with configs/inference.yaml or one of {sorted(BUNDLES)}, got {name_or_path}"
    )
