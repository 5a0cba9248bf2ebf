"""How many pictures go through a pipeline at once: as many as fit what is free."""

from __future__ import annotations

from collections.abc import Callable

import torch

MOST = 32
SHARE = 0.85  # of what is free; the rest is for fragments and for whoever else is there
PIXEL_BYTES = 10_000  # of activations per pixel in float32, decoder included: SD1.5 at 512 x 512 takes about 2.5 GB
DECODED = 2**22  # pixels that go through a decoder at once


def largest(free: float, base: float, each: float, most: int = MOST) -> int:
    """The largest power of two whose base + n * each bytes fit in `free`; at least 1, which may not fit either."""
    n = 1
    while 2 * n <= most and base + 2 * n * each <= free:
        n *= 2
    return n


def on_cpu(pixels: int, most: int = 16) -> int:
    """A batch by free memory and the picture's size; more than 16 gain nothing on a CPU."""
    import psutil

    return largest(SHARE * psutil.virtual_memory().available, 0, pixels * PIXEL_BYTES, most)


def on_gpu(attempt: Callable[[int], None], device: torch.device) -> int:
    """A batch from the peaks of two attempts, with one and with two pictures; `attempt(n)` runs a single step and decodes."""
    peaks = []
    for n in (1, 2):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        try:
            attempt(n)
        except torch.cuda.OutOfMemoryError:
            return 1
        peaks.append(torch.cuda.max_memory_allocated(device))
    each = max(peaks[1] - peaks[0], 1)
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    return largest(SHARE * free, peaks[0] - each, each)


def decoded(pixels: int) -> int:
    """Pictures that are decoded at once."""
    return max(1, DECODED // pixels)
