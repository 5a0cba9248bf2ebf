"""Pictures by a denoiser that hears no caption and a classifier of latents, and by the classifier alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from experiments.data.prompts import Prompt
from experiments.metrics.guidance_draw import in_batches, load
from experiments.models import zoo
from experiments.models.latent_classifier import LatentClassifier
from experiments.sampling import guidance_ways as ways
from experiments.sampling.guidance_sampler import Guide, Texts, decode, noise


@lru_cache(maxsize=1)
def reader() -> LatentClassifier:
    """The shipped classifier."""
    folder = zoo.WEIGHTS / "latent-classifier"
    return LatentClassifier.from_pretrained(folder, torch_dtype=torch.float32).requires_grad_(False).eval()


def together(model: str, scale: float, told_noise: bool, steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """Classifier guidance of the unconditional model."""

    def of_group(pipe: Any, texts: Texts, group: Sequence[Prompt]) -> tuple[Guide, list[Texts]]:
        return ways.classifier(reader(), [p.wanted for p in group], scale, told_noise), [texts]

    return in_batches(model, of_group, steps, wanted, seed)


def alone(model: str, rate: float, steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """The classifier without a denoiser: from noise up the gradient of log p(y | x), told that x is clean."""
    pipe, group = load(model), [p.wanted for p in wanted]
    x = noise(pipe, [p.id for p in wanted], seed)
    for _ in range(steps):
        x = x + rate * ways.gradient(reader(), x, torch.zeros((), dtype=torch.long), group)
    return torch.cat([decode(pipe, part) for part in x.split(50)]), 0
