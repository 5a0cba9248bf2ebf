"""Rendered scenes on disk: drawn once in chunks, memory-mapped afterwards.

A chunk is named by the hash of the code that drew it, so a change of the renderer draws anew and nothing stale is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np

from experiments.artefacts import atomic_write, source_hash, store
from experiments.data.scenes import Scene, sample_scene

CHUNK = 1000
BATCH = 20


def scenes(split: str, start: int, stop: int, seed: int = 0) -> list[Scene]:
    """Scenes start .. stop-1 of a split."""
    return [sample_scene(i, seed, split) for i in range(start, stop)]


def images(split: str, start: int, stop: int, seed: int = 0, workers: int = 1) -> np.ndarray:
    """Pictures of scenes start .. stop-1 of a split, uint8 [N,3,64,64]; chunks not yet on disk are rendered.

    The same bytes from any number of `workers`.
    """
    if not 0 <= start < stop:
        raise ValueError(f"images {start} to {stop} is an empty range: start must be below stop and not negative")
    chunks = range(start // CHUNK, (stop - 1) // CHUNK + 1)
    draw = partial(_draw_chunk, split, seed)
    missing = [c for c in chunks if not _path(split, seed, c).exists()]
    if workers > 1 and len(missing) > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
            list(pool.map(draw, missing))
    else:
        for c in missing:
            draw(c)
    parts = [np.load(_path(split, seed, c), mmap_mode="r") for c in chunks]
    first, last = start - chunks[0] * CHUNK, stop - chunks[-1] * CHUNK
    if len(parts) == 1:
        return parts[0][first:last]
    return np.concatenate([parts[0][first:], *parts[1:-1], parts[-1][:last]])


def _one_thread() -> None:
    import torch

    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    torch.set_num_threads(1)


def _path(split: str, seed: int, chunk: int):
    return store("renders", source_hash("experiments.data.render")[:16], f"{split}-{seed}-{chunk:05d}.npy")


def _draw_chunk(split: str, seed: int, chunk: int) -> None:
    pictures = np.concatenate(list(_draw(split, seed, chunk * CHUNK, (chunk + 1) * CHUNK)))
    with atomic_write(_path(split, seed, chunk)) as file:
        np.save(file, pictures)


def _draw(split: str, seed: int, start: int, stop: int) -> Iterator[np.ndarray]:
    from experiments.data.render import render

    for i in range(start, stop, BATCH):
        yield render(scenes(split, i, min(i + BATCH, stop), seed)).image.numpy()
