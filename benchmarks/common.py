"""What every benchmark shares: timing with warm-up, peak memory of a fresh process, machine."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import monai
import torch

from monai_lsext.registry import find_bundle


def run_bundle(bundle: str, configs: list[str], options: dict[str, str], log: Path) -> None:
    """``monai.bundle run`` in a process of its own; its output goes to a log."""
    root = find_bundle(bundle)
    files = "[" + ",".join(f"'{root / 'configs' / name}'" for name in configs) + "]"
    flags = [part for key, value in {"bundle_root": str(root), **options}.items() for part in (f"--{key}", value)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as stream:
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files, *flags]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(configs)} failed, see {log}")


def time_ms(run: Callable[[], Any], warm_up: int = 3, repeats: int = 20) -> dict[str, float]:
    """Median, interquartile range and best of the wall-clock time of ``run``, in milliseconds."""
    times = [_once_ms(run) for _ in range(warm_up + repeats)][warm_up:]
    return _summary(times)


def time_in_turn_ms(runs: list[Callable[[], Any]], warm_up: int = 3, repeats: int = 20) -> list[dict[str, float]]:
    """As ``time_ms`` for each, run in turn so that a slow minute slows all; ``times`` is the ratio to the first."""
    rounds = [[_once_ms(run) for run in runs] for _ in range(warm_up + repeats)][warm_up:]
    ratios = [[time / in_turn[0] for time in in_turn] for in_turn in rounds]
    return [
        {**_summary(list(times)), "times": round(statistics.median(ratio), 3)}
        for times, ratio in zip(zip(*rounds, strict=True), zip(*ratios, strict=True), strict=True)
    ]


def _once_ms(run: Callable[[], Any]) -> float:
    _synchronize()
    start = time.perf_counter()
    run()
    _synchronize()
    return 1e3 * (time.perf_counter() - start)


def _summary(times: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(times, n=4)
    return {"median_ms": round(median, 2), "iqr_ms": round(high - low, 2), "best_ms": round(min(times), 2)}


def peak_memory_mib(run: Callable[[], Any], device: torch.device | None = None) -> float:
    """Memory of ``run`` in MiB: growth of the resident set in a forked process of its own, or on a GPU the most that
    torch had allocated, weights and input included.
    """
    if device is not None and device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report_growth, args=(run, sender))
    process.start()
    growth = receiver.recv()
    process.join()
    return round(growth, 1)


def environment() -> dict[str, Any]:
    """Versions and machine, without which a time says nothing."""
    return {
        "torch": torch.__version__,
        "monai": monai.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    """The model's name where the system tells it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _report_growth(run: Callable[[], Any], sender: Any) -> None:
    torch.set_num_threads(1)  # a forked process must not use the parent's thread pool
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    sender.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
