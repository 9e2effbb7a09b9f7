"""Requests without a server: clicks, boxes, refusals and the sentences of errors."""

from __future__ import annotations

import pytest

from monai_lsext.apps.label.errors import KnownNames, RequestError, answer, refusal
from monai_lsext.apps.label.points import Box, box_of, clicks_of
from monai_lsext.bundle.source import BundleError

KNOWN = KnownNames({"infer": ["a", "b"], "train": ["a"], "activelearning": ["random"]})


def test_clicks_are_voxels_of_the_file() -> None:
    assert clicks_of({}, (10, 20)) == []
    assert clicks_of({"foreground": [[0, 19], [9, 0.5]]}, (10, 20)) == [(0, 19), (9, 0.5)]
    # viewers give a picture's click a third index
    assert clicks_of({"foreground": [[3, 4, 0]]}, (10, 20)) == [(3, 4)]
    assert clicks_of({"foreground": [[3, 4, 5]]}, (10, 20, 6)) == [(3, 4, 5)]


@pytest.mark.parametrize(
    ("foreground", "sentence"),
    [
        ([[10, 3]], "a click must lie in the image of 10 x 20 pixels, got 10, 3"),
        ([[-1, 3]], "a click must lie in the image of 10 x 20 pixels, got -1, 3"),
        ([[float("nan"), 3]], "a click must be 2 numbers"),
        ([[3]], "a click must be 2 numbers"),
        ([3, 4], "a click must be 2 numbers"),
        ("3,4", "`foreground` must be a list of points"),
    ],
)
def test_bad_clicks_are_sentences(foreground: object, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        clicks_of({"foreground": foreground}, (10, 20))


def test_a_volumes_click_needs_its_slice() -> None:
    with pytest.raises(RequestError, match="a click must be 3 numbers"):
        clicks_of({"foreground": [[3, 4]]}, (10, 20, 5))


def test_a_box_is_cut_to_the_image() -> None:
    assert box_of({"roi": []}, (10, 20)) is None
    assert box_of({"roi": [4, 2, -3, 30]}, (10, 20)) == Box((2, 0), (4, 19))
    assert box_of({"roi": [1, 2, 3, 4, 0, 0]}, (10, 20)) == Box((1, 3), (2, 4))
    with pytest.raises(RequestError, match="`roi` must meet the image of 10 x 20 x 5 voxels"):
        box_of({"roi": [1, 2, 3, 4, 7, 9]}, (10, 20, 5))
    with pytest.raises(RequestError, match="`roi` must be 6 numbers"):
        box_of({"roi": [1, 2, 3, 4]}, (10, 20, 5))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/infer/a", None),
        ("/infer/wsi_v2/b", None),
        ("/info/", None),
        ("/infer/c", (404, "there is no model c; there are: a, b")),
        ("/batch/infer/c", (404, "there is no model c; there are: a, b")),
        ("/train/b", (404, "there is no model b; there are: a")),
        ("/activelearning/x", (404, "there is no strategy x; there are: random")),
    ],
)
def test_names_are_looked_up_at_once(path: str, expected: tuple[int, str] | None) -> None:
    refused = refusal("POST", path, False, KNOWN)
    assert (None if refused is None else (refused.status, str(refused))) == expected
    assert refusal("GET", path, False, KNOWN) is None


def test_one_training_at_a_time() -> None:
    busy = KnownNames(KNOWN.names, training_runs=True)
    refused = refusal("POST", "/train/a", False, busy)
    assert refused is not None
    assert refused.status == 409
    assert refusal("POST", "/train/a", True, busy) is None
    assert refusal("POST", "/infer/a", False, busy) is None


def test_errors_become_a_status_and_a_sentence() -> None:
    assert answer(RequestError("no", 404)) == (404, "no")
    assert answer(ValueError("image must\nbe grey")) == (400, "image must be grey")
    wrapped = RuntimeError("applying transform <x>")
    wrapped.__cause__ = ValueError("a.png: expected a whole image file")
    assert answer(wrapped) == (400, "a.png: expected a whole image file")
    assert answer(BundleError("models/model.pt does not fit"))[0] == 500
    status, sentence = answer(KeyError("pred"))
    assert status == 500
    assert sentence == "a fault of the server, not of the request; its log says more (KeyError: 'pred')"


def test_errors_of_the_web_framework_and_of_monai_label() -> None:
    class LabelError(Exception):
        error = "APP_ERROR"

        def __init__(self, msg: str) -> None:
            self.msg = msg

    class WebError(Exception):
        def __init__(self, status_code: int, detail: str) -> None:
            self.status_code, self.detail = status_code, detail

    assert answer(LabelError("Image x not found")) == (404, "Image x not found")
    assert answer(LabelError("Method is not provided")) == (400, "Method is not provided")
    assert answer(WebError(404, "Not Found")) == (404, "Not Found")
    assert answer(WebError(500, "Neither Image nor File given"))[0] == 400
    assert answer(WebError(500, "Failed to execute infer"))[0] == 500
