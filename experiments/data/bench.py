"""Anti-aliased renders a second on one thread, against the bar of 250."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from experiments.data.dataset import BATCH, scenes
from experiments.data.render import render

BAR = 250.0  # images a second on one core


class Rate(NamedTuple):
    """Images a second of wall time and of the thread's own time, which a busy machine does not lengthen."""

    name: str
    per_second: float
    per_cpu_second: float


def renders(n: int = 1000, split: str = "test") -> Rate:
    """Draw `n` scenes in batches as the dataset does, after a batch to warm up; the number of threads is left as it was."""
    drawn = scenes(split, 0, n)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        render(drawn[:BATCH])
        wall, cpu = time.perf_counter(), time.thread_time()
        for i in range(0, n, BATCH):
            render(drawn[i : i + BATCH])
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    finally:
        torch.set_num_threads(threads)
    return Rate(f"{n} scenes", n / wall, n / cpu)


def line(r: Rate) -> str:
    """A rate in one line."""
    return f"{r.name}: {r.per_second:.0f} renders a second, {r.per_cpu_second:.0f} a second of the core's time (bar: {BAR:.0f})"
