"""Pictures of prompts by the ways to guide one network, for studies: each way by its name and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from experiments.data.prompts import Prompt
from experiments.models import zoo
from experiments.sampling import guidance_ways as ways
from experiments.sampling.guidance_sampler import Guide, Texts, decode, noise, sample

BATCH = 42
NEGATIVE = "a gray sphere"  # what pictures are to move away from
THRESHOLD, MOMENTUM = 10.0, -0.5  # of projected guidance; the latents of a scene have a norm of about 32
WAYS: dict[str, Callable[..., Guide]] = {
    "classifier-free": ways.classifier_free,
    "negative prompt": ways.negative_prompt,
    "interval": ways.interval,
    "rescaled": ways.rescaled,
    "projected": lambda w, eta: ways.projected(w, eta, THRESHOLD, MOMENTUM),
    "perturbed attention": ways.perturbed_attention,
}


@lru_cache(maxsize=4)
def load(name: str) -> Any:
    """A pipeline of the zoo, loaded once."""
    return zoo.load(name)


def draw(model: str, way: str, numbers: Sequence[float], steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """Pictures, uint8 [N,3,H,W], and how often the network was asked for each."""

    def of_group(pipe: Any, texts: Texts, group: Sequence[Prompt]) -> tuple[Guide, list[Texts]]:
        return WAYS[way](*numbers), [texts]

    return in_batches(model, of_group, steps, wanted, seed, way == "perturbed attention")


def weaker(model: str, weak: str, w: float, steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """Autoguidance of `model` by the model called `weak`."""

    def of_group(pipe: Any, texts: Texts, group: Sequence[Prompt]) -> tuple[Guide, list[Texts]]:
        other = Texts.of(load(weak), caption=[p.text for p in group])
        return ways.autoguidance(other, w), [texts, other]

    return in_batches(model, of_group, steps, wanted, seed)


def in_batches(model: str, of_group: Callable, steps: int, wanted: Sequence[Prompt], seed: int, perturbed: bool = False) -> tuple[Tensor, int]:
    """`of_group(pipe, texts, prompts)` gives the guide of a batch, and the denoisers that it asks."""
    pipe, pictures, asked = load(model), [], 0
    for i in range(0, len(wanted), BATCH):
        group = wanted[i : i + BATCH]
        texts = Texts.of(pipe, caption=[p.text for p in group], empty=[""] * len(group), negative=[NEGATIVE] * len(group))
        guide, denoisers = of_group(pipe, texts, group)
        with ways.identity_attention(pipe) if perturbed else nullcontext():
            latents = sample(pipe, texts, guide, noise(pipe, [p.id for p in group], seed), steps)
        asked = sum(one.asked for one in denoisers)
        pictures.append(decode(pipe, latents))
    return torch.cat(pictures), asked
