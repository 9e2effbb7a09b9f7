"""Bad requests as one sentence and a status of HTTP."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from monai_lsext.bundle.source import BundleError
from monai_lsext.data.checked_dataset import error_sentence

__all__ = ["KnownNames", "RequestError", "answer", "refusal"]

NOT_FOUND, CONFLICT, BAD_REQUEST, FAULT = 404, 409, 400, 500
# MONAI Label gives these as faults of the server, though the request lacks something
_REQUEST_LACKS = ("Neither Image nor File", "DICOM SEG format is not supported")


class RequestError(Exception):
    """A request that cannot be done; its text is the sentence for the client.

    Args:
        sentence: what is wrong and what would be right.
        status: of HTTP, 400 to 499, default 400.
    """

    def __init__(self, sentence: str, status: int = BAD_REQUEST) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class KnownNames:
    """What a server offers, by the first part of the address."""

    names: Mapping[str, Collection[str]] = field(default_factory=dict)
    training_runs: bool = False


def answer(error: BaseException) -> tuple[int, str]:
    """Status and sentence for whatever a request ended with.

    Args:
        error: a :class:`RequestError`; an error of MONAI Label (with ``msg``); FastAPI's (with ``detail``); any other:
            a ValueError of a check is the request's; one of a bundle and the rest are faults of the server.
    """
    if isinstance(error, RequestError):
        return error.status, str(error)
    if hasattr(error, "msg") and hasattr(error, "error"):
        missing = "not found" in str(error.msg).lower() or "there is no" in str(error.msg).lower()
        return NOT_FOUND if missing else BAD_REQUEST, str(error.msg)
    if hasattr(error, "detail") and hasattr(error, "status_code"):
        detail = str(error.detail)
        lacks = error.status_code >= FAULT and detail.startswith(_REQUEST_LACKS)
        return BAD_REQUEST if lacks else int(error.status_code), detail
    cause = error
    while str(cause).startswith("applying transform") and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, ValueError) and not isinstance(cause, BundleError):
        return BAD_REQUEST, error_sentence(error)
    return FAULT, f"a fault of the server, not of the request; its log says more ({error_sentence(error)})"


def refusal(method: str, path: str, queued: bool, known: KnownNames) -> RequestError | None:
    """Why a request is refused by its address alone; None when it may go on.

    MONAI Label looks up the name of a trainer or of a scoring method in another process, when the client has long had
    its answer.

    Args:
        method: of HTTP.
        path: such as ``/infer/NAME``, ``/infer/wsi_v2/NAME``, ``/train/NAME``.
        queued: whether a training may wait for the one that runs.
        known: what the server offers under ``infer``, ``train``, ``scoring``, ``activelearning``.
    """
    kind, _, rest = path.strip("/").partition("/")
    name = rest.rsplit("/", 1)[-1]
    if method != "POST" or not rest:
        return None
    kind = "infer" if kind == "batch" else kind
    if kind not in known.names:
        return None
    if name not in known.names[kind]:
        word = {"infer": "model", "train": "model", "scoring": "scoring method"}.get(kind, "strategy")
        return RequestError(f"there is no {word} {name}; there are: {', '.join(sorted(known.names[kind]))}", NOT_FOUND)
    if kind == "train" and known.training_runs and not queued:
        return RequestError("a training is running; wait, or stop it by DELETE /train/", CONFLICT)
    return None
