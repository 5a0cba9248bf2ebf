"""Prompts to pictures: fixed batches, one generator per picture, so that no picture depends on how many are made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from experiments.data.prompts import Prompt

BATCH = 25


def generator(prompt_id: str, seed: int) -> torch.Generator:
    """The noise of one picture: a generator on the CPU seeded from (prompt id, seed)."""
    digest = hashlib.blake2b(f"{prompt_id}/{seed}".encode(), digest_size=8).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest, "little") >> 1)


def batches(prompts: Sequence[Prompt], size: int = BATCH) -> Iterator[Sequence[Prompt]]:
    """The fixed cut: batch k holds prompts k * size onwards, whoever draws it."""
    return (prompts[i : i + size] for i in range(0, len(prompts), size))


@torch.inference_mode()
def generate(pipeline: DiffusionPipeline, prompts: Sequence[Prompt], seed: int = 0, batch: int = BATCH, **call: Any) -> torch.Tensor:
    """Pictures of `prompts`, uint8 [N,3,H,W] on the CPU; `call` goes to the pipeline (steps, guidance, ...).

    Raises FloatingPointError naming the prompts whose pictures are not finite.
    """
    if not prompts:
        raise ValueError("no prompt to draw: pass at least one")
    drawn = []
    for group in batches(prompts, batch):
        noise = [generator(p.id, seed) for p in group]
        images = pipeline(prompt=[p.text for p in group], generator=noise, output_type="pt", **call).images
        images = torch.as_tensor(np.asarray(images)) if not torch.is_tensor(images) else images
        broken = [p.id for p, image in zip(group, images) if not image.isfinite().all()]
        if broken:
            raise FloatingPointError(f"pictures are not finite for {', '.join(broken)}: use float32 for the decoder")
        drawn.append((images.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu())
    return torch.cat(drawn)
