"""Checks that the network can be exported and that the export gives the same output."""

from __future__ import annotations

import copy
import importlib.util
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from monai_lsext.bundle.source import BundleError, BundleSource, CheckSkippedError, one_line

__all__ = ["check_onnx", "check_torchscript", "largest_difference"]

TOLERANCE = 1e-4
ROUNDING_FACTOR = 10.0
ORT_ERRORS_ONLY = 3
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")


def check_torchscript(source: BundleSource) -> Iterator[str]:
    """TorchScript (script, else trace) gives the network's output; see :func:`_difference_fault`."""
    _skip_exception(source, "torchscript")
    network, image = source.trained_network, source.example(seed=1)
    try:
        exported = _torchscript(network, source.example())
        with torch.no_grad():
            fault = _difference_fault("TorchScript", network, image, exported(image))
    except (RuntimeError, ValueError, TypeError) as e:
        raise BundleError(f"the network cannot be exported to TorchScript: {one_line(e)}") from e
    yield from fault


def check_onnx(source: BundleSource) -> Iterator[str]:
    """ONNX, run by onnxruntime, gives the network's output; see :func:`_difference_fault`."""
    _skip_exception(source, "onnx")
    for package in ONNX_PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise CheckSkippedError(f"{package} not installed")
    network, image = source.trained_network, source.example(seed=1)
    try:
        with torch.no_grad():
            fault = _difference_fault("ONNX", network, image, _onnx_output(network, source.example(), image))
    except Exception as e:  # exporter and runtime have exception classes of their own
        raise BundleError(f"the network cannot be exported to ONNX: {one_line(e)}") from e
    yield from fault


def largest_difference(expected: Tensor, found: Tensor) -> float:
    """max |expected - found|; infinite for another shape or where one is not a number."""
    if expected.shape != found.shape:
        return float("inf")
    return float((expected - found).abs().nan_to_num(nan=float("inf")).max())


def _skip_exception(source: BundleSource, name: str) -> None:
    reason = source.metadata.get("export_exceptions", {}).get(name)
    if reason:
        raise CheckSkippedError(f"the metadata excepts it: {reason}")


def _difference_fault(name: str, network: nn.Module, image: Tensor, found: Tensor) -> list[str]:
    """A sentence where the outputs differ by more than 1e-4 of the largest value (at least of 1) and ten times the
    net's own rounding, single against double precision: a recurrent net amplifies it."""
    expected = network(image)
    exact = copy.deepcopy(network).double()(image.double())
    scale = max(float(expected.abs().max()), 1.0)  # a logit of -9 shows the last digits of its probability
    allowed = TOLERANCE * scale + ROUNDING_FACTOR * largest_difference(exact, expected.double())
    difference = largest_difference(expected, found)
    return [f"{name} output differs by {difference:.2g}, must be <= {allowed:.2g}"] if difference > allowed else []


def _torchscript(network: nn.Module, image: Tensor) -> torch.jit.ScriptModule:
    """The network scripted, or traced where it cannot be, after a round through a file in memory."""
    with torch.no_grad():
        try:
            module = torch.jit.script(network)
        except Exception:  # a net outside TorchScript's subset; the compiler raises many kinds
            module = torch.jit.trace(network, image, check_trace=False)
        buffer = io.BytesIO()
        torch.jit.save(module, buffer)
        buffer.seek(0)
        return torch.jit.load(buffer)


def _onnx_output(network: nn.Module, example: Tensor, image: Tensor) -> Tensor:
    """What onnxruntime computes of ``image`` by the network exported with ``example``."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        # the optimiser of the graph takes longer than all the rest
        torch.onnx.export(network, (example,), path, dynamo=True, verbose=False, optimize=False)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ORT_ERRORS_ONLY
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        (output,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    return torch.from_numpy(output)
