"""Batched sampling in the zoo against a plain pipeline call per prompt: same prompts, same noise, both timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from experiments.data.prompts import Prompt
from experiments.models import hub
from experiments.models.systems import System
from experiments.sampling.generate import generate, generator
from experiments.sampling.jobs import Jobs
from experiments.sampling.sets import complete
from experiments.sampling.worker import Settings, arguments, draw, precision


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


def whole(system: System, jobs: Jobs, folder: Path, settings: Settings) -> Ratio:
    """Draw a list and store it: a plain loop of a system's pipeline against `draw`, at the same dtype and steps.

    Loading is left out of both times.
    `difference` is 1 - the least cosine between two pictures of one job (levels around their mid-grey).
    """
    pipeline = hub.load(hub.fetch(system), precision(system, settings.place))
    plain_loop(pipeline, Jobs(jobs.split, jobs.jobs[:1]), folder / "plain", system, settings)
    usual, theirs = _timed(lambda: plain_loop(pipeline, jobs, folder / "plain", system, settings))
    ours, _ = _timed(lambda: list(draw(system, jobs, folder, settings, pipeline)))
    made = complete(next(path.parent for path in folder.glob("*/plan.json")))
    a, b = (x.double().flatten(1) - 127.5 for x in (theirs, made.pictures()))
    cosine = torch.nn.functional.cosine_similarity(a, b).min().item()
    return Ratio(f"{len(jobs)} pictures by {system.name}", usual, ours, usual / ours, 1 - cosine)


@torch.inference_mode()
def plain_loop(pipeline: DiffusionPipeline, jobs: Jobs, folder: Path, system: System, settings: Settings) -> torch.Tensor:
    """The pipeline called once for each job and its picture saved; uint8 [N,3,H,W].

    Pictures are asked for as "np": Kandinsky 2 gives "pt" in [-1, 1], unlike all others.
    """
    pipeline.to(settings.place)
    folder.mkdir(parents=True, exist_ok=True)
    drawn, call = [], arguments(system, settings)
    for job in jobs.jobs:
        noise = [generator(f"{jobs.split}/{job.image}", job.seed)]
        picture = pipeline(prompt=[job.text], generator=noise, output_type="np", **call).images[0]
        levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / job.file)
        drawn.append(torch.from_numpy(levels).permute(2, 0, 1))
    return torch.stack(drawn)


def line(r: Ratio) -> str:
    """A comparison in one line."""
    return (f"{r.name}: one call each {r.usual:.2f} s, in batches {r.ours:.2f} s, {r.ratio:.1f} times faster, "
            f"pictures differ by {r.difference:.2f} of 255 levels")


def _timed(call):
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value
