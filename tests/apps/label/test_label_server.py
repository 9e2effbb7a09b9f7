"""The label server, driven over HTTP as a viewer does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from label_client import LabelClient
from PIL import Image
from scipy import ndimage

from monai_lsext.apps.bundle_runner import BundleRunner
from monai_lsext.apps.label.epistemic import epistemic_entropy, with_dropout
from monai_lsext.apps.step_spread import step_spread
from monai_lsext.registry import BUNDLES, find_bundle

pytestmark = pytest.mark.label

IMAGES = {
    "racenet_optic_disc_cup": "eye0.png",
    "racenet_nuclei": "cells.png",
    "crls_nuclei": "cells.png",
    "rls_object": "eye0.png",
    "edpcnn_left_ventricle": "heart.nii.gz",
    "fcn_levelset_left_ventricle": "heart.nii.gz",
    "fcn_levelset_liver": "belly.png",
    "pnet_birnn_pancreas": "abdomen.nii.gz",
    "racenet_left_atrium": "atrium.nii.gz",
}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def write_label(values: np.ndarray, path: Path) -> Path:
    Image.fromarray(values.astype(np.uint8).T).save(path)
    return path


def test_info_lists_every_bundle_with_its_labels(server: LabelClient) -> None:
    info = server.get("/info/").json
    for name, bundle in BUNDLES.items():
        model = info["models"][name]
        assert model["labels"] == {label.name: label.value for label in bundle.labels}
        assert model["config"]["label_colors"] == {label.name: list(label.colour) for label in bundle.labels}
        assert name in info["trainers"]
    assert {"refine", "edpcnn_left_ventricle_click", "racenet_nuclei_click"} <= set(info["models"])
    with_steps = {name for name in BUNDLES if name.startswith(("racenet", "rls"))}
    strategies = {f"step_spread_{name}" for name in with_steps} | {f"epistemic_{name}" for name in BUNDLES}
    assert set(info["strategies"]) == set(info["scoring"]) | {"random"} == strategies | {"random"}
    assert info["datastore"]["total"] == 9


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_infer_gives_what_the_bundle_gives(server: LabelClient, studies: Path, name: str) -> None:
    answer = server.infer(name, IMAGES[name].partition(".")[0])
    assert answer.status == 200, answer.content
    runner = BundleRunner(find_bundle(name))
    pred = runner(runner.load({"image": str(studies / IMAGES[name])})).pred
    np.testing.assert_array_equal(answer.mask, pred[1 if len(pred) > 1 else 0].numpy().round())
    assert (answer.mask > 0).any() or name in ("pnet_birnn_pancreas", "rls_object")


def test_one_click_in_a_volume_is_one_contour(server: LabelClient, truth: dict[str, np.ndarray]) -> None:
    middle = 4
    click = [*np.argwhere(truth["heart"][..., middle]).mean(0).tolist(), middle]
    mask = server.infer("edpcnn_left_ventricle", "heart", foreground=[click]).mask > 0
    assert mask.any(axis=(0, 1)).nonzero()[0].tolist() == [middle]
    assert dice(mask[..., middle], truth["heart"][..., middle]) > 0.9
    again = server.infer("edpcnn_left_ventricle_click", "heart", foreground=[click]).mask > 0
    np.testing.assert_array_equal(again, mask)


def test_two_clicks_in_an_image_with_two_objects_give_two_contours(server: LabelClient) -> None:
    clicks = [[50, 50], [150, 50]]
    one = server.infer("edpcnn_left_ventricle", "two", foreground=clicks[:1])
    both = server.infer("edpcnn_left_ventricle", "two", foreground=clicks)
    assert ndimage.label(one.mask)[1] == 1
    objects, count = ndimage.label(both.mask)
    assert count == 2
    assert {int(objects[x, y]) for x, y in clicks} == {1, 2}
    facts = server.infer("edpcnn_left_ventricle", "two", "json", foreground=clicks).json
    assert [len(element["contours"]) for element in facts["annotation"]["elements"]] == [2]


def test_a_level_set_starts_from_a_click_or_a_box(server: LabelClient, truth: dict[str, np.ndarray]) -> None:
    disc = truth["eye1"] > 0
    points = np.argwhere(disc)
    click = points.mean(0).tolist()
    low, high = points.min(0), points.max(0)
    box = [int(low[0]), int(high[0]), int(low[1]), int(high[1])]
    plain = server.infer("racenet_optic_disc_cup", "eye1").mask
    for start in ({"foreground": [click]}, {"roi": box}):
        mask = server.infer("racenet_optic_disc_cup", "eye1", **start).mask
        assert dice(mask > 0, disc) > 0.9, start
        assert (mask != plain).any()
        assert ndimage.label(mask)[1] == 1


def test_a_click_takes_one_nucleus_of_many(server: LabelClient) -> None:
    objects, count = ndimage.label(server.infer("racenet_nuclei", "cells").mask)
    assert count > 5
    largest = 1 + int(np.bincount(objects.ravel())[1:].argmax())
    points = np.argwhere(objects == largest)
    x, y = points[((points - points.mean(0)) ** 2).sum(1).argmin()].tolist()
    mask = server.infer("racenet_nuclei_click", "cells", foreground=[[x, y]]).mask > 0
    assert ndimage.label(mask)[1] == 1
    assert mask[x, y]


def test_pathology_viewers_get_contours(server: LabelClient, studies: Path) -> None:
    answer = server.request("POST", "/infer/wsi/racenet_nuclei", {"image": "cells", "output": "asap"}, body={})
    objects = ndimage.label(server.infer("racenet_nuclei", "cells").mask)[1]
    assert answer.status == 200
    assert answer.content.count(b'Type="Polygon"') == objects
    assert b'Name="nuclei"' in answer.content
    files = {"file": ("patch.png", (studies / "cells.png").read_bytes())}
    query, fields = {"image": "", "output": "asap"}, {"wsi": json.dumps({"params": {"foreground": []}})}
    sent = server.request("POST", "/infer/wsi_v2/racenet_nuclei", query, fields, files)
    assert sent.content == answer.content


def test_viewers_of_volumes_get_nrrd(server: LabelClient) -> None:
    answer = server.infer("edpcnn_left_ventricle", "heart", result_extension=".nrrd", result_dtype="uint8")
    assert answer.content.startswith(b"NRRD")
    assert ".nrrd" in answer.headers["content-disposition"]


def test_refine_smooths_a_rough_label(server: LabelClient, truth: dict[str, np.ndarray], tmp_path: Path) -> None:
    disc = truth["eye2"] > 0
    noise = np.random.default_rng(0).random(disc.shape)
    border = ndimage.binary_dilation(disc, iterations=4) ^ ndimage.binary_erosion(disc, iterations=4)
    rough = np.where(border, noise > 0.5, disc)
    label = write_label(rough, tmp_path / "rough.png")
    sent = server.infer("refine", "eye2", label=label).mask > 0
    assert dice(sent, disc) > dice(rough, disc)
    assert ndimage.label(sent)[1] == 1
    assert server.infer("refine", "eye2").status == 404
    assert server.save_label("eye2", label).status == 200
    np.testing.assert_array_equal(server.infer("refine", "eye2").mask > 0, sent)
    assert server.request("DELETE", "/datastore/label", {"id": "eye2", "tag": "final"}).status == 200


def test_the_next_sample_is_the_least_settled(server: LabelClient, studies: Path) -> None:
    runner = BundleRunner(find_bundle("racenet_optic_disc_cup"))
    pictures = [path for path in studies.glob("*.png") if path.stem != "belly" and path.stem != "two"]
    spreads = {path.stem: step_spread(runner(runner.load({"image": str(path)}), steps=True).steps) for path in pictures}
    assert len(set(spreads.values())) == 4
    sample = server.request("POST", "/activelearning/step_spread_racenet_optic_disc_cup", body={}).json
    assert sample["id"] == max(spreads, key=lambda name: spreads[name])
    assert sample["score"] == pytest.approx(max(spreads.values()), abs=1e-4)
    scores = server.request("POST", "/scoring/step_spread_racenet_optic_disc_cup", {"run_sync": "true"}, body={}).json
    assert scores == pytest.approx(spreads, abs=1e-4)
    assert server.request("POST", "/activelearning/random", body={}).json["id"]


def test_the_next_sample_is_the_one_that_hangs_on_dropped_units(server: LabelClient, studies: Path) -> None:
    runner = BundleRunner(find_bundle("racenet_optic_disc_cup"))
    dropping = with_dropout(runner, "network_def#dropout")
    pictures = [path for path in studies.glob("*.png") if path.stem not in ("belly", "two")]
    entropies = {path.stem: epistemic_entropy(dropping, runner.load({"image": str(path)})) for path in pictures}
    scores = server.request("POST", "/scoring/epistemic_racenet_optic_disc_cup", {"run_sync": "true"}, body={}).json
    assert scores == pytest.approx(entropies, rel=1e-3)
    sample = server.request("POST", "/activelearning/epistemic_racenet_optic_disc_cup", body={}).json
    assert sample["id"] == max(entropies, key=lambda name: entropies[name])


def test_labels_train_new_weights_beside_the_shipped_ones(
    server: LabelClient, studies: Path, truth: dict[str, np.ndarray], tmp_path: Path
) -> None:
    name = "racenet_optic_disc_cup"
    shipped = find_bundle(name) / "models/model.pt"
    before = hashlib.sha256(shipped.read_bytes()).hexdigest()
    for eye in ("eye0", "eye1"):
        label = write_label(truth[eye], tmp_path / f"{eye}.png")
        assert server.save_label(eye, label).status == 200
        kept = server.request("GET", "/datastore/label", {"label": eye, "tag": "final"})
        np.testing.assert_array_equal(kept.mask, truth[eye])
    assert server.train(name, max_epochs=1).status == 200
    refused = server.train(name, max_epochs=1)
    assert refused.status == 409
    assert refused.sentence == "a training is running; wait, or stop it by DELETE /train/"
    task = server.wait_for_training()
    assert task["status"] == "DONE", task
    assert hashlib.sha256(shipped.read_bytes()).hexdigest() == before
    (new,) = (studies.parent / "app/model" / name).glob("*/model.pt")
    weights = {choice: server.infer(name, "eye2", "json", weights=choice).json for choice in ("latest", "shipped")}
    assert weights["shipped"]["weights_sha256"] == before
    assert weights["latest"]["weights_sha256"] == hashlib.sha256(new.read_bytes()).hexdigest() != before


BAD = {
    "unknown model": ("/infer/nobody", {"image": "eye0"}, {}, 404, "there is no model nobody"),
    "click outside": (
        "/infer/edpcnn_left_ventricle",
        {"image": "heart"},
        {"foreground": [[999, 3, 1]]},
        400,
        "a click must lie in the image of ",
    ),
    "no image": ("/infer/racenet_nuclei", {"image": "nothing"}, {}, 404, "there is no image nothing"),
    "another kind": ("/infer/racenet_nuclei", {"image": "heart"}, {}, 400, "image must have 2 spatial axes"),
    "no clicks taken": (
        "/infer/fcn_levelset_liver",
        {"image": "belly"},
        {"foreground": [[5, 5]]},
        400,
        "fcn_levelset_liver takes no click and no box, got a click",
    ),
    "unknown trainer": ("/train/nobody", {}, None, 404, "there is no model nobody"),
    "unknown strategy": ("/activelearning/nobody", {}, None, 404, "there is no strategy nobody"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_a_sentence(server: LabelClient, case: tuple) -> None:
    path, query, params, status, sentence = case
    if params is None:
        answer = server.request("POST", path, query, body={})
    else:
        answer = server.request("POST", path, query, {"params": json.dumps(params)})
    assert (answer.status, answer.sentence[: len(sentence)]) == (status, sentence)
    assert server.get("/datastore/").status == 200


def test_an_image_that_is_gone_is_a_sentence(server: LabelClient, studies: Path, tmp_path: Path) -> None:
    picture = (studies / "eye0.png").read_bytes()
    assert (
        server.request("PUT", "/datastore/image", {"image": "brief"}, {}, {"file": ("brief.png", picture)}).status
        == 200
    )
    (studies / "brief.png").unlink()
    answer = server.infer("racenet_nuclei", "brief")
    assert answer.status == 404
    assert "brief" in answer.sentence


def test_half_an_upload_is_refused_and_leaves_nothing(server: LabelClient, studies: Path, tmp_path: Path) -> None:
    half = (studies / "eye0.png").read_bytes()[:4000]
    answer = server.request("PUT", "/datastore/image", {"image": "half"}, {}, {"file": ("half.png", half)})
    assert (answer.status, "truncated" in answer.sentence) == (400, True)
    assert server.request("PUT", "/datastore/image", {"image": "../half"}, {}, {"file": ("h.png", half)}).status == 400
    whole = (studies / "heart.nii.gz").read_bytes()
    files = {"label": ("heart.nii.gz", whole[: len(whole) // 2])}
    answer = server.request("PUT", "/datastore/label", {"image": "heart"}, {"params": "{}"}, files)
    assert (answer.status, answer.sentence) == (400, "the label cannot be used: a truncated or damaged file")
    small = write_label(np.zeros((5, 5)), tmp_path / "small.png")
    assert server.save_label("eye2", small).sentence == "the label must have the image's size 400 x 400, got 5 x 5"
    images = server.get("/datastore/", output="all").json["objects"]
    assert "half" not in images
    assert not images["heart"]["labels"]


def test_half_an_image_sent_along_is_refused(server: LabelClient, studies: Path) -> None:
    files = {"file": ("half.png", (studies / "eye0.png").read_bytes()[:4000])}
    answer = server.request("POST", "/infer/racenet_optic_disc_cup", {}, {"params": "{}"}, files)
    assert (answer.status, "truncated" in answer.sentence) == (400, True)
    answer = server.request("POST", "/infer/racenet_nuclei", {"image": "eye0"}, {"params": "{half"})
    assert (answer.status, answer.sentence[:21]) == (400, "`params` must be JSON")
    assert server.request("POST", "/infer/racenet_nuclei", {}, {"params": "{}"}).status == 400
    assert server.get("/datastore/").status == 200


def test_a_broken_connection_is_survived(server: LabelClient) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = (
            "PUT /datastore/label?image=eye2 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        )
        connection.sendall(f"{head}Content-Length: 5000\r\n\r\n--b\r\n".encode())
    assert server.get("/datastore/").status == 200
