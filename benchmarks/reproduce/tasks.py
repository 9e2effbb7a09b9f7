"""All steps of the reproduction, those of a task in the order in which they run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.reproduce import collect
from benchmarks.reproduce.steps import ROOT, Collector, Step

CASE = "(.+)"
PICTURE = r"(.+)_\d+"
PATIENT = r"(patient\d+|SCD\d+|SC-[A-Z]+-\d+)"


def bundle_run(bundle: str, configs: list[str], data: str, output: str, *options: str) -> tuple[str, ...]:
    """Arguments of ``monai.bundle run`` from the repository's root."""
    files = ",".join(f"'bundles/{bundle}/configs/{name}.yaml'" for name in configs)
    folders = (
        "--bundle_root",
        f"bundles/{bundle}",
        "--dataset_dir",
        f"$DATA/{data}",
        "--output_dir",
        f"$RUNS/{output}",
    )
    return ("-m", "monai.bundle", "run", "--config_file", f"[{files}]", *folders, *options)


def shipped(
    bundle: str, title: str, data: str, minutes: float, *options: str, variant: str | None = None, group: str = CASE
) -> Step:
    """The weights in the repository, measured on the test part."""
    configs = ["train", "evaluate", *([f"variants/{variant}"] if variant else [])]
    weights = f"bundles/{bundle}/models"
    arguments = bundle_run(bundle, configs, data, f"{bundle}/{title}", "--ckpt_dir", weights, *options)
    return Step(bundle, title, arguments, minutes, (f"{weights}/model.pt",), (), collect.evaluation, group)


def train_and_measure(
    bundle: str,
    title: str,
    data: str,
    minutes: float,
    *options: str,
    variant: str | None = None,
    again: str | None = None,
    others: dict[str, tuple[str, ...]] | None = None,
    group: str = CASE,
) -> list[Step]:
    """A training from the first weights on, and its measurement.

    ``again``: a variant with which it is measured once more; ``others``: data to measure it on too, with options.
    """
    train = ["train", *([f"variants/{variant}"] if variant else [])]
    weights = ("--ckpt_dir", f"$RUNS/{bundle}/{title}_training/models")
    name = f"{title}_training"
    training = Step(bundle, name, bundle_run(bundle, train, data, f"{bundle}/{name}", *weights, *options), minutes)
    wanted: list[tuple[str, str, list[str], tuple[str, ...]]] = [(title, data, [], options)]
    wanted += [(f"{title}_{again}", data, [f"variants/{again}"], options)] if again else []
    wanted += [(f"{other}_{title}", other, [], more) for other, more in (others or {}).items()]
    measured = [
        Step(
            bundle,
            name,
            bundle_run(bundle, [*train, "evaluate", *more], where, f"{bundle}/{name}", *weights, *extra),
            1,
            (),
            (training,),
            collect.evaluation,
            group,
        )
        for name, where, more, extra in wanted
    ]
    return [training, *measured]


def benchmark(
    bundle: str,
    title: str,
    module: str,
    data: str,
    minutes: float,
    collector: Collector,
    options: tuple[str, ...] = (),
    group: str = CASE,
    also: tuple[str, ...] = (),
) -> Step:
    """A table of several methods, by a benchmark that goes on after an interruption; ``also``: bundles it runs too."""
    output = ("--output", f"$RUNS/{bundle}/{title}")
    arguments = ("-m", f"benchmarks.{module}", "--dataset_dir", f"$DATA/{data}", *output, *options)
    files = (f"benchmarks/{module}.py", *(name for used in (bundle, *also) for name in _configs(used)))
    return Step(bundle, title, arguments, minutes, files, (), collector, group)


def _configs(bundle: str) -> list[str]:
    folder = Path("bundles") / bundle / "configs"
    variants = sorted(path.name for path in (ROOT / folder / "variants").glob("*.yaml"))
    return [str(folder / name) for name in ("train.yaml", "evaluate.yaml", *(f"variants/{name}" for name in variants))]


def racenet() -> list[Step]:
    """Optic disc and cup, nuclei, left atrium."""
    disc, nuclei, atrium = "racenet_optic_disc_cup", "racenet_nuclei", "racenet_left_atrium"
    every, none_held_back = ("--part", "every"), ("--fold", "$None")
    configs = ["train", "evaluate", "variants/drlse"]
    drlse = bundle_run(nuclei, configs, "dsb2018", f"{nuclei}/drlse")
    outside = bundle_run(nuclei, configs, "cpm15", f"{nuclei}/cpm15_drlse", *every)
    half = (*none_held_back, "--train#trainer#max_epochs", "108")
    return [
        shipped(disc, "shipped", "drishti_gs1", 1),
        *train_and_measure(disc, "method", "drishti_gs1", 30),
        *train_and_measure(disc, "rival", "drishti_gs1", 46, variant="basicunet"),
        shipped(nuclei, "shipped", "dsb2018", 1),
        shipped(nuclei, "cpm15_shipped", "cpm15", 1, *every),
        Step(nuclei, "drlse", drlse, 1, collect=collect.evaluation),
        Step(nuclei, "cpm15_drlse", outside, 1, collect=collect.evaluation),
        *train_and_measure(nuclei, "method", "dsb2018", 4, others={"cpm15": every}),
        *train_and_measure(nuclei, "rival", "dsb2018", 6, variant="basicunet", others={"cpm15": every}),
        shipped(atrium, "shipped", "left_atrium_2018", 1),
        shipped(atrium, "ensemble_shipped", "left_atrium_2018", 1, variant="shifted_ensemble"),
        *train_and_measure(atrium, "method", "left_atrium_2018", 25, *none_held_back, again="shifted_ensemble"),
        *train_and_measure(atrium, "rival", "left_atrium_2018", 4, *half, variant="basicunet3d"),
    ]


def rls() -> list[Step]:
    """Single objects; nuclei one by one."""
    objects, nuclei = "rls_object", "crls_nuclei"
    both = partial(benchmark, objects, module="single_objects", collector=collect.single_objects)
    short = ("--epochs", "20", "--dense_epochs", "2")
    return [
        shipped(objects, "shipped", "dsb2018", 1, group=PICTURE),
        both(title="nuclei", data="dsb2018", minutes=60, options=("--dense_epochs", "4"), group=PICTURE),
        both(title="left_ventricle", data="acdc", minutes=90, options=short, group=PATIENT),
        shipped(nuclei, "shipped", "dsb2018", 1),
        *train_and_measure(nuclei, "method", "dsb2018", 20),
        *train_and_measure(nuclei, "rival", "dsb2018", 20, variant="components"),
    ]


def fcn_levelset() -> list[Step]:
    """Left ventricle and liver with part of the labels."""
    ventricle, liver = "fcn_levelset_left_ventricle", "fcn_levelset_liver"
    volumes = ("--validate#slices", "$None")
    five = partial(benchmark, title="five_models", module="five_models")
    of_ventricle = ("--bundle", ventricle, "--outside", "$DATA/sunnybrook")
    of_liver = ("--bundle", liver, "--shares", "0.3", "0.1")
    return [
        shipped(ventricle, "shipped", "acdc", 1, *volumes, group=PATIENT),
        shipped(ventricle, "sunnybrook_shipped", "sunnybrook", 1, *volumes, group=PATIENT),
        five(ventricle, data="acdc", minutes=120, options=of_ventricle, collector=collect.five_models, group=PATIENT),
        shipped(liver, "shipped", "msd_liver_2d", 1, group=r"(\d+)_"),
        five(liver, data="msd_liver_2d", minutes=60, options=of_liver, collector=collect.five_models, group=r"(\d+)_"),
    ]


def pnet_birnn() -> list[Step]:
    """Pancreas, and the same networks on volumes of another organ."""
    bundle = "pnet_birnn_pancreas"
    across = partial(benchmark, bundle, module="across_slices", collector=collect.across_slices)
    epochs = ("--epochs", "20", "10", "8", "--option", "val_interval=4")
    no_volumes = ("--input", "ct", "--rows", "pnet64", "msa", "basicunet", "--epochs", "15", "8", "8")
    slices = (*no_volumes, "--option", "windows_per_volume=1", "batch_size=8", "val_interval=4")
    own = ("--folds", "own", *epochs, "label_values=[1,2]")
    four = ("--rows", "pnet64", "msa", "one_way", "birnn", "basicunet", *epochs)
    return [
        shipped(bundle, "shipped", "nih_pancreas_2d", 1, "--test_fold", "0", group=r"(PANCREAS_\d+)"),
        across(title="slices", data="nih_pancreas_2d", minutes=240, options=slices, group=r"(PANCREAS_\d+)"),
        across(title="hippocampus", data="msd_hippocampus", minutes=120, options=own),
        across(title="left_atrium", data="left_atrium_2018", minutes=300, options=four),
    ]


def edpcnn() -> list[Step]:
    """Left ventricle, trained through the contour."""
    bundle = "edpcnn_left_ventricle"
    of_patients = partial(shipped, bundle, group=PATIENT)
    return [
        of_patients("shipped", "acdc", 1),
        of_patients("true_centre_shipped", "acdc", 1, variant="true_centre"),
        of_patients("sunnybrook_shipped", "sunnybrook", 1),
        of_patients("sunnybrook_true_centre_shipped", "sunnybrook", 1, variant="true_centre"),
        *train_and_measure(bundle, "method", "acdc", 30, again="true_centre", group=PATIENT),
        benchmark(
            bundle,
            "sample_efficiency",
            "sample_efficiency",
            "acdc",
            240,
            collect.sample_efficiency,
            ("--outside", "$DATA/sunnybrook"),
            PATIENT,
            ("fcn_levelset_left_ventricle",),
        ),
    ]


STEPS = [*racenet(), *rls(), *fcn_levelset(), *pnet_birnn(), *edpcnn()]
TASKS = list(dict.fromkeys(step.task for step in STEPS))
