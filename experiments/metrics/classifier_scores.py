"""How much a classifier of latents reads at each level of noise, on scenes that it has not seen."""

from __future__ import annotations

from functools import lru_cache

import torch
from diffusers import AutoencoderKL, DDIMScheduler

from experiments.data.dataset import scenes
from experiments.metrics.intervals import Estimate, wilson
from experiments.models.latent_classifier import LatentClassifier, truth
from experiments.models.recipes import RECIPES
from experiments.models.zoo import WEIGHTS
from experiments.training import corpus

LEVELS = (1, 250, 500, 750, 999)


def scores(model: LatentClassifier, thorough: bool) -> dict[str, Estimate]:
    """What a training record holds."""
    return reading(model, 1000 if thorough else 200)


@torch.no_grad()
def reading(model: LatentClassifier, n: int = 1000, seed: int = 0) -> dict[str, Estimate]:
    """By time step, of `n` held-out scenes: "counts at t", the share of shapes counted right, and "pairs at t", the share
    of pairs of colour and shape that are among as many of the classifier's best guesses as the scene has pairs."""
    x0, (counts, there) = _held_out(n), truth(scenes("validation", 0, n))
    kept = DDIMScheduler(**RECIPES["latent-classifier"].config["scheduler"]).alphas_cumprod
    found: dict[str, Estimate] = {}
    for t in LEVELS:
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1000 * seed + t))
        said, presence = model(kept[t].sqrt() * x0 + (1 - kept[t]).sqrt() * eps, torch.tensor(t))
        found[f"counts at {t}"] = wilson(int((said.argmax(-1) == counts).sum()), counts.numel())
        hits = sum(int(true[guess.topk(int(true.sum())).indices].sum()) for guess, true in zip(presence, there))
        found[f"pairs at {t}"] = wilson(hits, int(there.sum()))
    return found


@lru_cache(maxsize=2)
def _held_out(n: int) -> torch.Tensor:
    autoencoder = AutoencoderKL.from_pretrained(WEIGHTS / "autoencoder", torch_dtype=torch.float32)
    return corpus.codes(autoencoder, WEIGHTS / "autoencoder", "validation", n)[0]
