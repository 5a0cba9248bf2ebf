"""Two stages against one by what is heard: the arms of `two_stages`, choosing between two captions instead of drawing.

A caption reaches an arm as itself, or as the embedding that the prior makes of it; of a true and a false caption of a held-out scene the
one that predicts the noise better is chosen, chance 1/2. It shows what has been learned long before it can be drawn.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from experiments.data.prompts import Prompt, text
from experiments.metrics import listening_scores as scores
from experiments.models.listeners import PICTURE, Told
from experiments.models.zoo import WEIGHTS
from experiments.studies import two_stages
from experiments.studies.study import Study
from experiments.training import corpus, listening

CHOICES = 72  # scenes of each category
WAYS = ("drawn", "mean", "linear", "text")


@lru_cache(maxsize=None)
def prompts_of(category: str, true: bool) -> tuple[Prompt, ...]:
    """The true or the false captions; both sides of a choice have the same name, hence the same noise in the prior."""
    offered = scores.offers(category, CHOICES)
    return tuple(Prompt(f"heard/{category}/{i}", category, text(right if true else wrong), right if true else wrong) for i, right, wrong in offered)


@lru_cache(maxsize=None)
def embedding(way: str, category: str, true: bool) -> Tensor:
    return two_stages.embedding(way, list(prompts_of(category, true)), 0)


def hears(encoders: tuple[str, ...], way: str, category: str, true: bool) -> Told:
    words = listening.told([name for name in encoders if name != PICTURE], [p.text for p in prompts_of(category, true)])
    if PICTURE not in encoders:
        return words
    return {PICTURE: two_stages.picture(listening.standardised(embedding(way, category, true)))} | words


def measure(arm: str, seed: int) -> dict[str, Any]:
    """What one arm chooses, by where the embedding comes from and by category; its training is that of `two_stages`, taken up at its end."""
    encoders = two_stages.ARMS[arm]
    pipe, model, _ = listening.train(encoders, seed, images=two_stages.IMAGES, languages=("en",), teach=False)
    ways = WAYS if PICTURE in encoders else ("caption",)
    return {way: {category: chosen(pipe, model, encoders, way, category, seed) for category in scores.CATEGORIES} for way in ways}


@torch.inference_mode()
def chosen(pipe, model, encoders: tuple[str, ...], way: str, category: str, seed: int) -> list[int]:
    rows = [i for i, _, _ in scores.offers(category, CHOICES)]
    x0 = corpus.codes(pipe.vae, WEIGHTS / "autoencoder", "validation", scores.HELD_OUT)[0][rows]
    gain = torch.zeros(len(rows))
    for k in scores.LEVELS:
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1000 * seed + k))
        kept = pipe.scheduler.alphas_cumprod[k]
        x, time = kept.sqrt() * x0 + (1 - kept).sqrt() * eps, torch.full((len(x0),), k)
        for true in (True, False):
            error = (model(x, time, hears(encoders, way, category, true)) - eps).square().mean((1, 2, 3))
            gain += -error if true else error
    return [int((gain > 0).sum()), len(rows)]


STUDY = Study(
    "two-stages-heard",
    lambda: [(arm, seed) for seed in two_stages.SEEDS for arm in two_stages.ARMS],
    measure,
    ("experiments.studies.two_stages_heard", *two_stages.STUDY.made_by),
    two_stages.STUDY.needs,
    dict(two_stages.STUDY.settings) | dict(choices=CHOICES),
)
STUDIES = (STUDY,)
