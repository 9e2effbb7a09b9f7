"""One entry for each bundle: how to run it on phantoms within seconds, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2] / "bundles"


@dataclass(frozen=True)
class Case:
    """A bundle on phantoms.

    Args:
        name: the bundle's folder.
        task: key of ``PHANTOM_TASKS``.
        images: pattern of the phantoms' images below the data folder, as files that ``predict`` takes.
        parameters: of the trained network's state dict.
        evaluated: what ``evaluate.yaml`` writes: name of the metric -> number of classes.
        test_items: rows of each metric on the phantoms' test part.
        num: phantoms.
        tiny: overrides that make training and inference small; they must not change the shape of the weights.
        tiny_inference: the same for inference, where the ids differ.
        variants: variant -> a part of a weight's name that only its network has, or None.
        suffix: of the mask that ``inference.yaml`` writes.
        predict_suffix: of the mask that ``predict`` writes where it differs.
    """

    name: str
    task: str
    images: str
    parameters: int
    evaluated: dict[str, int]
    test_items: int
    num: int = 12
    tiny: dict[str, object] = field(default_factory=dict)
    tiny_inference: dict[str, object] = field(default_factory=dict)
    variants: dict[str, str | None] = field(default_factory=dict)
    suffix: str = ".nii.gz"
    predict_suffix: str | None = None

    @property
    def folder(self) -> Path:
        return ROOT / self.name


# what is trained from scratch; the joint stages need the weights of the first
FIVE_MODELS: dict[str, str | None] = dict.fromkeys(("i_pretrained", "v_all_labels", "largest_component"))

CASES = {
    case.name: case
    for case in (
        Case(
            name="racenet_optic_disc_cup",
            task="optic_disc_cup",
            images="roi/images/*.png",
            parameters=2 * 26_322,
            evaluated={"dice": 2, "ble_px": 2, "cdr_error": 1},
            test_items=4,
            tiny={"image_size": "[32,32]"},
            tiny_inference={"image_size": "[32,32]"},
            variants={"basicunet": "final_conv"},
            suffix=".png",
        ),
        Case(
            name="racenet_nuclei",
            task="nuclei",
            images="images/colour/*.png",
            parameters=20_216,
            evaluated={"val_mean_dice": 1, "precision": 1, "recall": 1, "accuracy": 1, "f1": 1},
            test_items=4,
            tiny={"window": "[32,32]", "crops": 1, "overlap": 0.25},
            tiny_inference={"window": "[32,32]", "overlap": 0.25},
            variants={"basicunet": "final_conv"},
            suffix=".png",
        ),
        Case(
            name="edpcnn_left_ventricle",
            task="left_ventricle",
            images="*/patient*/patient???_frame??.nii.gz",
            parameters=488_250,
            evaluated={"val_mean_dice": 1, "assd_px": 1, "hd_px": 1, "presence_error": 2},
            test_items=38,
            num=8,
            tiny={"crop_size": "[64,64]", "batch_size": 2, "train#trainer#epoch_length": 3, "num_images": 4},
            variants={"unet": None, "unet_dp": None, "exact": None, "true_centre": None, "racenet": None},
        ),
        Case(
            name="fcn_levelset_left_ventricle",
            task="left_ventricle",
            images="*/patient*/patient???_frame??.nii.gz",
            parameters=51_238,
            evaluated={"val_mean_dice": 1, "iou": 1, "assd_px": 1, "hd_px": 1, "presence_error": 2},
            test_items=38,
            num=8,
            tiny={
                "field_px": "[60,60,-1]",
                "crop_size": "[48,48]",
                "batch_size": 4,
                "labelled_share": 0.5,
                "warm_up_epochs": 1,
                "train#trainer#epoch_length": 2,
            },
            tiny_inference={"field_px": "[60,60,-1]"},
            variants=FIVE_MODELS,
        ),
        Case(
            name="fcn_levelset_liver",
            task="liver",
            images="images/*.png",
            parameters=23_938,
            evaluated={"val_mean_dice": 1, "iou": 1, "assd_px": 1, "hd_px": 1, "presence_error": 2},
            test_items=6,
            num=20,
            tiny={
                "image_size": 48,
                "crop_size": "[48,48]",
                "batch_size": 4,
                "labelled_share": 0.5,
                "warm_up_epochs": 1,
                "train#trainer#epoch_length": 2,
            },
            tiny_inference={"image_size": 48},
            variants=FIVE_MODELS,
            predict_suffix=".png",
        ),
        Case(
            name="pnet_birnn_pancreas",
            task="pancreas",
            images="images/*.nii.gz",
            parameters=2_098_731,  # with the number of active units
            evaluated=dict.fromkeys(
                ("val_mean_dice", "jaccard", "avd_mm", "precision", "recall", "volume_error_ml"), 1
            ),
            test_items=4,
            tiny={"image_size": 32, "batch_size": 1, "windows_per_volume": 2, "train#trainer#epoch_length": 2},
            tiny_inference={"image_size": 32},
            variants={
                **dict.fromkeys(("msa", "pnet64", "hnn", "ce", "cbce", "mri", "any_organ")),
                "one_way": "recurrence.layers",
                "basicunet": "final_conv",
            },
        ),
        Case(
            name="rls_object",
            task="object",
            images="images/*.png",
            parameters=255,
            evaluated={"val_mean_dice": 1, "f_measure": 1, "precision": 1, "recall": 1},
            test_items=4,
            tiny={"image_size": "[16,16]", "batch_size": 4},
            tiny_inference={"image_size": "[16,16]"},
            variants={"dense_64": "input_map", "fconnet": "hidden"},
            suffix=".png",
        ),
        Case(
            name="crls_nuclei",
            task="nuclei",
            images="images/colour/*.png",
            parameters=2_046_114,
            evaluated={"val_map": 3},
            test_items=4,
            tiny={"window": "[64,64]", "crops": 1},
            tiny_inference={"network_def#num_proposals": 50},
            variants={"components": "final_conv"},
            suffix=".png",
        ),
        Case(
            name="racenet_left_atrium",
            task="left_atrium",
            images="images/*.nii.gz",
            parameters=71_862,
            evaluated={"dice": 1, "s2s_mm": 1, "volume_error_ml": 1},
            test_items=4,
            tiny={"spacing_mm": "[4,4,4]", "roi_size": "[32,32,16]", "label_values": "[1]"},
            tiny_inference={"spacing_mm": "[4,4,4]", "roi_size": "[32,32,16]"},
            variants={"basicunet3d": "final_conv", "hippocampus": None, "shifted_ensemble": None},
        ),
    )
}
