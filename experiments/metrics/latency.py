"""Seconds and peak memory of a call, measured so that two machines' numbers mean the same thing."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

MIB = 2**20


@dataclass(frozen=True)
class Latency:
    """Seconds per batch: median and quartiles over `repeats` calls after `warmup` calls that do not count."""

    median: float
    low: float
    high: float
    batch: int
    repeats: int
    warmup: int
    device: str

    @property
    def per_image(self) -> float:
        """Seconds per picture at this batch size: a throughput, not what one picture alone takes."""
        return self.median / self.batch

    @property
    def interval(self) -> str:
        return f"quartiles of {self.repeats} calls of batch {self.batch}, after {self.warmup} to warm up"


@dataclass
class Peak:
    """Highest memory seen inside a `peak_memory` block, filled in at its end."""

    mib: float = float("nan")
    device: str = "cpu"
    exact: bool = True  # False: the process's highest ever, where the system cannot start again from zero


def synchronise(device: str | torch.device = "cpu") -> None:
    """Wait until the device has done what it was asked: kernels on an accelerator return before they are done."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(torch.device(device))


def latency(call: Callable[[], object], batch: int = 1, repeats: int = 5, warmup: int = 1,
            device: str | torch.device = "cpu") -> Latency:
    """Time `call()`, which makes `batch` pictures on `device`. The first calls (compilation, caches) do not count."""
    if batch < 1 or repeats < 1 or warmup < 0:
        raise ValueError(f"batch ({batch}) and repeats ({repeats}) are at least 1, warmup ({warmup}) at least 0")
    for _ in range(warmup):
        call()
    seconds = []
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        call()
        synchronise(device)
        seconds.append(time.perf_counter() - start)
    low, median, high = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return Latency(median, low, high, batch, repeats, warmup, str(device))


@contextmanager
def peak_memory(device: str | torch.device = "cpu") -> Iterator[Peak]:
    """Peak memory of a block: what tensors took on a GPU, what the whole process took (resident) on a CPU.

    The two are not comparable with each other: the second holds Python and its libraries too.
    """
    peak = Peak(device=str(device))
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    else:
        peak.exact = _restart_high_water_mark()
    try:
        yield peak
    finally:
        peak.mib = (torch.cuda.max_memory_allocated(device) if cuda else _high_water_mark(peak.exact)) / MIB


def _restart_high_water_mark() -> bool:
    """Ask Linux to count the highest resident memory from now on (proc(5), clear_refs); False where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _high_water_mark(restarted: bool) -> int:
    """Bytes. Since the restart, or since the process began."""
    if restarted:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
