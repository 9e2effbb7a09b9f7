"""MONAI Label's server with answers of one sentence to bad requests; the name that uvicorn imports is ``app``."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from monai_lsext.apps.label.shims import prepare_monailabel

prepare_monailabel()

from fastapi import Request  # noqa: E402
from fastapi.exceptions import RequestValidationError  # noqa: E402
from fastapi.responses import JSONResponse, Response  # noqa: E402
from monailabel.app import app  # noqa: E402
from monailabel.interfaces.exception import MONAILabelException  # noqa: E402
from monailabel.interfaces.utils.app import app_instance  # noqa: E402
from monailabel.utils.async_tasks.utils import tasks  # noqa: E402
from starlette.exceptions import HTTPException  # noqa: E402

from monai_lsext.apps.label.errors import FAULT, KnownNames, RequestError, answer, refusal  # noqa: E402

__all__ = ["app"]

logger = logging.getLogger(__name__)


def _known() -> KnownNames:
    instance: Any = app_instance()
    running = any(task["status"] in ("SUBMITTED", "RUNNING") for task in tasks("train"))
    names = {
        "infer": list(instance._infers),
        "train": list(instance._trainers),
        "scoring": list(instance._scoring_methods),
        "activelearning": list(instance._strategies),
    }
    return KnownNames(names, running)


def _response(error: BaseException) -> JSONResponse:
    status, sentence = answer(error)
    if status >= FAULT:
        logger.error(sentence, exc_info=error)
    return JSONResponse({"detail": sentence}, status)


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    return _response(error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    details: Any = getattr(error, "errors", list)()
    parts = [f"{' '.join(map(str, part.get('loc', ())))}: {part.get('msg', '')}" for part in details]
    return JSONResponse({"detail": f"the request lacks or has a wrong {'; '.join(parts)}"}, 422)


async def _on_bad_json(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"`params` must be JSON: {error}"}, 400)


@app.middleware("http")
async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    queued = request.query_params.get("enqueue", "").lower() in ("true", "1")
    refused = refusal(request.method, request.url.path, queued, _known())
    if refused is not None:
        return _response(refused)
    try:
        return await call_next(request)
    except Exception as error:  # whatever no handler took; the answer must be a sentence
        return _response(error)


for _kind in (RequestError, MONAILabelException, HTTPException, ValueError):
    app.add_exception_handler(_kind, _on_error)
app.add_exception_handler(RequestValidationError, _on_invalid)
app.add_exception_handler(json.JSONDecodeError, _on_bad_json)
