"""Noise, data or velocity: the same network at the same budget asked for each, over solver steps (three seeds).

For every arm: the error of x0 by time step on held-out scenes; pictures of held-out captions over solver steps against
renders (KID and FID of the checker's features); and the brightness of what the first step sees and the last one leaves.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.metrics.denoising import LEVELS, clean, coefficients, noise
from experiments.metrics.features import extract, network
from experiments.metrics.frechet import fid, reference
from experiments.metrics.kernel import kid
from experiments.studies.study import Study
from experiments.training import arms
from experiments.training.target_arms import BATCH, IMAGES, RATE, TARGETS, sample, train

SEEDS, STEPS = (0, 1, 2), (1, 2, 5, 10, 25, 100)
DRAWN, COMPARED, SCENES = 64, 800, 150
LOOKED = 25  # solver steps of the pictures whose brightness is looked at


@cache
def _shared() -> SimpleNamespace:
    """What all arms learn from and are measured on."""
    reader, autoencoder = arms.parts()
    seen = network("scenes")
    held = [i for i, s in enumerate(scenes("validation", 0, COMPARED)) if len(s.solids) <= arms.SOLIDS]
    pictures = torch.from_numpy(np.array(images("validation", 0, COMPARED)[held]))
    with torch.inference_mode():
        parts = (pictures.float() / 127.5 - 1).split(100)
        codes = torch.cat([autoencoder.encode(x).latent_dist.mean for x in parts]) * autoencoder.config.scaling_factor
    texts = [caption(s, "en", arms.STYLES[0]) for s in scenes("validation", 0, COMPARED) if len(s.solids) <= arms.SOLIDS]
    return SimpleNamespace(
        autoencoder=autoencoder,
        data=arms.material(reader, autoencoder),
        words=reader(texts).words,
        codes=codes,
        pictures=pictures,
        seen=seen,
        against=extract(pictures, seen),
    )


def measure(name: str, seed: int) -> dict[str, Any]:
    """One arm with one seed."""
    target, own = TARGETS[name], _shared()
    model, loss = train(target, seed, own.data)
    drawn = {n: _drawn(target, model, own, n, seed) for n in STEPS}
    against = reference(own.against)
    first, last = drawn[LOOKED][1], drawn[LOOKED][0]
    return {
        "loss": round(loss, 5),
        "errors": {str(t): _error(target, model, own, t) for t in LEVELS},
        "kid": {str(n): round(kid(extract(_pictures(own, x), own.seen), own.against), 6) for n, (x, _) in drawn.items()},
        "fid": {str(n): round(fid(extract(_pictures(own, x), own.seen), against), 4) for n, (x, _) in drawn.items()},
        "brightness": {"first": _spread(_pictures(own, first)), "last": _spread(_pictures(own, last)), "renders": _spread(own.pictures)},
    }


@torch.inference_mode()
def _error(target, model, own, t: int) -> float:
    """Mean squared error of x0 at time step t over held-out scenes."""
    scheduler = target.scheduler()
    a, s = coefficients(scheduler, t)
    codes, words = own.codes[:SCENES], own.words[:SCENES]
    x = a * codes + s * noise(codes.shape, t, 0)
    said = torch.cat([model(part, t, told).sample for part, told in zip(x.split(50), words.split(50))])
    return round(float((clean(scheduler, said, x, t) - codes).square().mean()), 6)


def _drawn(target, model, own, steps: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return sample(target, model, own.words[:DRAWN], torch.randn((DRAWN, *own.codes.shape[1:]), generator=g), steps)


@torch.inference_mode()
def _pictures(own, codes: torch.Tensor) -> torch.Tensor:
    image = torch.cat([own.autoencoder.decode(x / own.autoencoder.config.scaling_factor).sample for x in codes.split(48)])
    return ((image.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def _spread(pictures: torch.Tensor) -> dict[str, float]:
    """Mean brightness over pictures and its deviation, in shares of white."""
    means = pictures.float().mean((1, 2, 3)) / 255
    return {"mean": round(float(means.mean()), 5), "deviation": round(float(means.std()), 5)}


STUDIES = (
    Study(
        "stable-diffusion-targets",
        parts=lambda: [(name, seed) for seed in SEEDS for name in TARGETS],
        measure=measure,
        made_by=(
            "experiments.training.target_arms",
            "experiments.metrics.denoising",
            "experiments.metrics.frechet",
            "experiments.metrics.kernel",
            "experiments.metrics.features",
        ),
        needs=("autoencoder", "clip", "checker"),
        settings=dict(images=IMAGES, batch=BATCH, rate=RATE, steps=STEPS, drawn=DRAWN, compared=COMPARED, scenes=SCENES, seeds=SEEDS),
    ),
)
