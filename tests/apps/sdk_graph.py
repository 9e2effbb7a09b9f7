"""A MONAI Deploy application of the SDK's own operators alone: BUNDLE INPUT OUTPUT."""

import sys
from pathlib import Path

from holoscan.conditions import CountCondition
from monai.deploy.core import AppContext, Application, Image, IOType
from monai.deploy.operators import (
    DICOMDataLoaderOperator,
    DICOMSegmentationWriterOperator,
    DICOMSeriesSelectorOperator,
    DICOMSeriesToVolumeOperator,
    IOMapping,
    MonaiBundleInferenceOperator,
)
from monai.deploy.operators.dicom_seg_writer_operator import SegmentDescription
from pydicom.sr.codedict import codes

from monai_lsext.apps.dicom.seg import segment_code
from monai_lsext.registry import BUNDLES


class Graph(Application):
    def compose(self):
        root, source, output = (Path(argument) for argument in sys.argv[1:])
        context = AppContext({})
        context.models = None
        segments = [
            SegmentDescription(
                segment_label=label.name,
                segmented_property_category=codes.SCT.AnatomicalStructure,
                segmented_property_type=segment_code(label),
                algorithm_name=root.name,
                algorithm_version="1",
            )
            for label in BUNDLES[root.name].labels
        ]
        load = DICOMDataLoaderOperator(self, CountCondition(self, 1), input_folder=source, name="load")
        select = DICOMSeriesSelectorOperator(self, name="select")
        volume = DICOMSeriesToVolumeOperator(self, name="volume")
        bundle = MonaiBundleInferenceOperator(
            self,
            app_context=context,
            input_mapping=[IOMapping("image", Image, IOType.IN_MEMORY)],
            output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
            bundle_path=root,
            name="bundle",
        )
        seg = DICOMSegmentationWriterOperator(
            self, segment_descriptions=segments, output_folder=output, omit_empty_frames=False, name="seg"
        )
        series = "study_selected_series_list"
        self.add_flow(load, select, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(select, volume, {(series, series)})
        self.add_flow(volume, bundle, {("image", "image")})
        self.add_flow(select, seg, {(series, series)})
        self.add_flow(bundle, seg, {("pred", "seg_image")})


Graph().run()
