"""Batched sampling in the zoo against a plain pipeline call per prompt: same prompts, same noise, both timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline

from experiments.data.prompts import Prompt
from experiments.sampling.generate import generate, generator


class Ratio(NamedTuple):
    """Seconds of one call per prompt and of batches, their ratio, and how far the pictures differ (mean, of 255 levels)."""

    name: str
    usual: float
    ours: float
    ratio: float
    difference: float


def batched(pipeline: DiffusionPipeline, wanted: Sequence[Prompt], seed: int = 0, **call: Any) -> Ratio:
    """Draw `wanted` both ways at the settings `call`; the first prompt is drawn once before, to warm up."""
    one_by_one(pipeline, wanted[:1], seed, **call)
    usual, theirs = _timed(lambda: one_by_one(pipeline, wanted, seed, **call))
    ours, drawn = _timed(lambda: generate(pipeline, wanted, seed, **call))
    apart = (theirs.float() - drawn.float()).abs().mean().item()
    return Ratio(f"pictures of {len(wanted)} prompts", usual, ours, usual / ours, apart)


def one_by_one(pipeline: DiffusionPipeline, wanted: Sequence[Prompt], seed: int = 0, **call: Any) -> torch.Tensor:
    """The plain way: the pipeline called with one prompt at a time, uint8 [N,3,H,W]."""
    drawn = [pipeline(prompt=p.text, generator=generator(p.id, seed), output_type="pt", **call).images[0] for p in wanted]
    return (torch.stack(drawn).float().cpu() * 255).round().to(torch.uint8)


def line(r: Ratio) -> str:
    """A comparison in one line."""
    return (f"{r.name}: one call each {r.usual:.2f} s, in batches {r.ours:.2f} s, {r.ratio:.1f} times faster, "
            f"pictures differ by {r.difference:.2f} of 255 levels")


def _timed(call):
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value
