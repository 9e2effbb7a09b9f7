"""A client of MONAI Label over plain HTTP, and the server as a process of its own."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import nibabel as nib
import numpy as np
from PIL import Image

START_S = 180


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def sentence(self) -> str:
        """Of a refused request; one line without a stack trace."""
        detail = self.json["detail"]
        assert isinstance(detail, str)
        assert "\n" not in detail
        assert "Traceback" not in detail
        return detail

    @property
    def mask(self) -> np.ndarray:
        """The label map that came as a file, in the axes of the file."""
        if self.content[:4] == b"\x89PNG":
            return np.asarray(Image.open(io.BytesIO(self.content))).T
        return np.asarray(nib.Nifti1Image.from_bytes(_unzipped(self.content)).dataobj)


class LabelClient:
    """Requests to a server on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        fields: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        body: Any = None,
        timeout: float = 300,
    ) -> Answer:
        """One request; ``fields`` and ``files`` (name -> file name, content) go as a form, ``body`` as JSON."""
        address = quote(path) + ("?" + urlencode(query) if query else "")
        headers, content = {}, None
        if fields is not None or files is not None:
            content, headers["Content-Type"] = form(fields or {}, files or {})
        elif body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, address, content, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        return self.request("GET", path, query)

    def infer(self, model: str, image: str, output: str = "image", label: Path | None = None, **params: Any) -> Answer:
        files = {} if label is None else {"label": (label.name, label.read_bytes())}
        fields = {"params": json.dumps(params)}
        return self.request("POST", f"/infer/{model}", {"image": image, "output": output}, fields, files)

    def save_label(self, image: str, label: Path) -> Answer:
        files = {"label": (label.name, label.read_bytes())}
        return self.request("PUT", "/datastore/label", {"image": image, "tag": "final"}, {"params": "{}"}, files)

    def train(self, model: str, **params: Any) -> Answer:
        return self.request("POST", f"/train/{model}", body=params)

    def wait_for_training(self, timeout: float = 300) -> dict[str, Any]:
        """The last training's task once it has ended."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            task = self.get("/train/").json
            if task["status"] not in ("SUBMITTED", "RUNNING"):
                return dict(task)
            time.sleep(1)
        raise TimeoutError("the training did not end")


def form(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """Content and type of a multipart form."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, (file_name, content) in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def start_server(python: str, arguments: list[str], log: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a server's process and wait until it answers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [python, *arguments], cwd=log.parent, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if LabelClient(port).request("GET", "/info/", timeout=START_S).status == 200:
                return process
        except OSError:
            time.sleep(1)
    process.kill()
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-5000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _unzipped(content: bytes) -> bytes:
    import gzip

    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
