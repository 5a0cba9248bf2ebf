"""What a picture costs: seconds cold and warm, alone and in batches, operations, parameters, memory.

cold       the first call after loading: it pays for compilation, caches and pages that were not read yet
warm       calls after it; their denoised runtime is HEIM's (Lee et al. 2023, arXiv:2311.04287): of the repeats of each prompt
           the fastest, averaged over prompts, so that what else the machine did is left out
batch      seconds for one picture when a call makes several; the best batch is the one with the fewest

`clock` is the wall's by default. On a CPU that others use too, `time.process_time` counts what this process computed and not
how long it waited: with one thread it is what the wall's clock would say on an idle machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from experiments.metrics.intervals import Estimate
from experiments.metrics.latency import synchronise

Clock = Callable[[], float]


class Runtime(NamedTuple):
    """Seconds of single pictures: `calls` are [prompts][repeats], the first of all of them not counted but kept as `cold`."""

    cold: float
    calls: tuple[tuple[float, ...], ...]

    @property
    def denoised(self) -> float:
        """HEIM's: mean over prompts of the fastest repeat."""
        return denoised(self.calls)

    @property
    def warm(self) -> Estimate:
        """Median over all warm calls with quartiles."""
        every = np.concatenate([np.asarray(row) for row in self.calls])
        low, middle, high = (float(q) for q in np.quantile(every, (0.25, 0.5, 0.75)))
        return Estimate(middle, low, high, every.size, f"quartiles of {every.size} calls, after one that is cold")


def denoised(calls: Sequence[Sequence[float]]) -> float:
    """Mean over prompts of the fastest of each prompt's calls: `calls` is [prompts][repeats] in seconds."""
    if not calls or not all(calls):
        raise ValueError("a denoised runtime needs at least one call of each prompt")
    return float(np.mean([min(row) for row in calls]))


def runtime(draw: Callable[[str], object], prompts: Sequence[str], repeats: int = 3, device: str | torch.device = "cpu",
            clock: Clock = time.perf_counter) -> Runtime:
    """Time `draw(prompt)`, one picture a call: first once cold, then `repeats` rounds through all prompts."""
    cold = _timed(lambda: draw(prompts[0]), device, clock)
    rounds = [[_timed(lambda: draw(prompt), device, clock) for prompt in prompts] for _ in range(repeats)]
    return Runtime(cold, tuple(zip(*rounds, strict=True)))


def _timed(call: Callable[[], object], device: str | torch.device, clock: Clock) -> float:
    synchronise(device)
    start = clock()
    call()
    synchronise(device)
    return clock() - start


def by_batch(draw: Callable[[int], object], sizes: Sequence[int], repeats: int = 3, device: str | torch.device = "cpu",
             clock: Clock = time.perf_counter) -> dict[int, Estimate]:
    """Seconds for one picture in calls `draw(size)` that make `size` each, median with quartiles; call it warm.

    A size that does not fit in memory ends the list.
    """
    found: dict[int, Estimate] = {}
    for size in sizes:
        try:
            seconds = [_timed(lambda: draw(size), device, clock) / size for _ in range(repeats)]
        except torch.OutOfMemoryError:
            break
        low, middle, high = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
        found[size] = Estimate(middle, low, high, repeats, f"quartiles of {repeats} calls of batch {size}")
    return found


def best(batches: Mapping[int, Estimate]) -> int:
    """The batch with the fewest seconds for one picture."""
    return min(batches, key=lambda size: batches[size].value)


def modules(pipeline: Any) -> dict[str, torch.nn.Module]:
    """Every part of a pipeline that has parameters, by name; a part that stands under two names counts once."""
    parts = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    return {name: part for k, (name, part) in enumerate(parts.items()) if part not in [*parts.values()][:k]}


def parameters(pipeline: Any) -> dict[str, int]:
    """Parameters of each part."""
    return {name: sum(p.numel() for p in part.parameters()) for name, part in modules(pipeline).items()}


def flops(call: Callable[[], object]) -> int:
    """Floating-point operations of `call()`; a multiply-add counts as two.

    On a CPU the counter gives zero for fused attention, so attention runs in its plain form, of which it sees each product.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


def frontier(cost: Sequence[float], quality: Sequence[float], better: str = "lower") -> list[int]:
    """Places of the rows that no other row beats: none is both cheaper (or as cheap) and better. `better` is lower or higher."""
    if better not in ("lower", "higher"):
        raise ValueError(f"better is {better!r}; it is lower or higher")
    worth = [-q if better == "higher" else q for q in quality]
    rows = range(len(cost))

    def beaten(i: int) -> bool:
        return any(cost[j] <= cost[i] and worth[j] <= worth[i] and (cost[j], worth[j]) != (cost[i], worth[i]) for j in rows)

    return sorted((i for i in rows if not beaten(i)), key=lambda i: cost[i])
