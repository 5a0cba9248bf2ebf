"""A teacher's own pairs, noise and what it makes of it, drawn once in chunks; a killed run goes on at the next chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import DiffusionPipeline, FluxPipeline

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.models.zoo import weights_hash
from experiments.sampling.generate import generator
from experiments.training import texts
from experiments.training.conditions.flux import unpacked
from experiments.training.material import caption_of

CHUNK = 200


def teacher(folder: Path, solver: str | None, device: torch.device) -> DiffusionPipeline:
    """The pipeline in `folder`, sampled by the diffusers scheduler `solver` where one is named."""
    pipe = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32).to(device)
    if solver:
        pipe.scheduler = getattr(diffusers, solver).from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def noise(first: int, last: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The noises of pairs first .. last-1, each from its own number."""
    return torch.stack([torch.randn(shape, generator=generator(f"pair/{i}", 0)) for i in range(first, last)])


def made(
    folder: Path, count: int, scenes: int, shape: tuple[int, ...], settings: dict[str, Any], device: torch.device
) -> Iterator[tuple[np.ndarray, bool]]:
    """Chunk after chunk what the teacher in `folder` makes of the noises, float16 [CHUNK,C,h,w], and whether it was drawn now; kept
    under the hash of its weights.

    settings: `call` and `solver` of the teacher.
    """
    key = fingerprint(source_hash("experiments.data.captions"), weights_hash(folder), scenes, shape, settings)[:24]
    pipe = captions = None
    for k in range(-(-count // CHUNK)):
        path = store("pairs", key, f"{k:05d}.npy")
        fresh = not path.exists()
        if fresh:
            pipe = pipe or teacher(folder, settings.get("solver"), device)
            captions = captions or texts.captions("train", scenes, "en")
            drawn = _draw(pipe, k * CHUNK, captions, scenes, shape, settings["call"])
            with atomic_write(path) as file:
                np.save(file, drawn.half().numpy())
        yield np.load(path), fresh


@torch.inference_mode()
def _draw(pipe: DiffusionPipeline, first: int, captions: list[str], scenes: int, shape: tuple[int, ...], call: dict) -> torch.Tensor:
    per_scene = len(captions) // scenes
    asked = [captions[scene * per_scene + style] for scene, style in (caption_of(i, scenes) for i in range(first, first + CHUNK))]
    start = noise(first, first + CHUNK, shape)
    parts = []
    for i in range(0, CHUNK, 50):
        latents = start[i : i + 50].to(pipe.device)
        if isinstance(pipe, FluxPipeline):
            latents = pipe._pack_latents(latents, len(latents), *shape)
        drawn = pipe(prompt=asked[i : i + 50], latents=latents, output_type="latent", **call).images
        parts.append((unpacked(drawn, *shape[1:]) if isinstance(pipe, FluxPipeline) else drawn).float().cpu())
    return torch.cat(parts)


def collect(count: int, chunks: Iterator[tuple[np.ndarray, bool]], minutes: float | None) -> tuple[torch.Tensor, bool]:
    """The first `count` of all chunks, and whether that is all; stops after `minutes`, having drawn at least one."""
    begun, held = time.monotonic(), []
    for chunk, fresh in chunks:
        held.append(torch.from_numpy(chunk))
        if minutes and fresh and time.monotonic() - begun > 60 * minutes:
            break
    found = torch.cat(held)[:count]
    return found, len(found) == count
