"""The application: cases of a DICOM input, the App SDK's bundle operator, SEGs."""

from __future__ import annotations

from pathlib import Path

from holoscan.conditions import CountCondition
from monai.deploy.core import AppContext, Application, Image, IOType
from monai.deploy.operators import IOMapping

import monai_lsext
from monai_lsext.apps.deploy.operators import BundleOperator, CaseOperator, CaseRecord, SegOperator
from monai_lsext.apps.dicom.cases import DicomInput
from monai_lsext.apps.dicom.seg import Producer, highdicom
from monai_lsext.apps.dicom.series import scan
from monai_lsext.bundle.source import BundleSource, file_sha256
from monai_lsext.registry import bundle_info

__all__ = ["BundleApp"]


class BundleApp(Application):
    """DICOM in, one SEG out for each volume of the series that fit the bundle.

    Args:
        root: the bundle's directory; its configs can execute code, so it must be trusted.
        input_path: a DICOM file or folder.
        output_dir: for the SEGs, made when missing; what became of each case is in ``record`` after ``run``.
        series: SeriesInstanceUID of the only series to take; default: those that fit the registry's rule.

    Raises:
        ValueError: for an input without a fitting series, a folder that cannot be written to or an unusable bundle.
    """

    def __init__(self, root: Path, input_path: str, output_dir: str, series: str | None = None) -> None:
        super().__init__()
        highdicom()  # before the first case is worked on
        source = BundleSource(root)
        source.weights  # noqa: B018 - an unusable file is told before the first case
        outputs = source.tensor_format("outputs", "pred")
        self.root, self.info = root, bundle_info(root.name, outputs.get("channel_def", {}))
        if not Path(input_path).exists():
            raise ValueError(f"`--input` must be a DICOM file or folder, got {input_path}")
        self.record = CaseRecord(DicomInput(scan(input_path), self.info, series))
        self.output = self.record.run.open_folder(output_dir)
        self.producer = Producer(
            root.name,
            str(source.metadata.get("version", "")),
            file_sha256(source.weights_path),
            monai_lsext.__version__,
        )

    def compose(self) -> None:
        """Put the operators together."""
        context = AppContext({})
        context.models = None  # the SDK would take a bundle's directory for a loaded network
        cases = CaseOperator(self, CountCondition(self, len(self.record.dicom.cases)), record=self.record, name="cases")
        bundle = BundleOperator(
            self,
            app_context=context,
            input_mapping=[IOMapping("image", Image, IOType.IN_MEMORY)],
            output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
            bundle_path=self.root,
            name="bundle",
        )
        seg = SegOperator(
            self, record=self.record, info=self.info, producer=self.producer, output=self.output, name="seg"
        )
        self.add_flow(cases, bundle, {("image", "image")})
        self.add_flow(cases, seg, {("case", "case")})
        self.add_flow(bundle, seg, {("pred", "pred")})
