"""mini-sd3.5 with its T5 on, off and alone: what is drawn from the same prompts and noises, and which of two captions is heard.

An encoder that is off is told the empty caption. Training told all three the same, or all three nothing; Stable Diffusion 3
left out each by itself (Esser et al. 2024, arXiv:2403.03206), so what is lost here is at least what would be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from diffusers import StableDiffusion3Pipeline
from torch import Tensor

from experiments.data.prompts import Prompt, text
from experiments.metrics.guidance_cells import measure as cell
from experiments.metrics.images import to_uint8
from experiments.metrics.listening_scores import CATEGORIES, HELD_OUT, offers
from experiments.models import zoo
from experiments.sampling.generate import batches, generator
from experiments.studies.study import Study
from experiments.training import corpus
from experiments.training.conditions import stable_diffusion_3_5 as condition

MEMBER = "mini-sd3.5"
EARS = {"all three": (True, True, True), "T5 off": (True, True, False), "T5 alone": (False, False, True)}  # two CLIPs, T5
PROMPTS, SEEDS = 56, (0, 1, 2)  # of each category: 1008 pictures
LEVELS, CHOICES = (0.6, 0.8), 340  # shares of noise; scenes of each category and seed, where there are as many


def parts() -> Iterator[tuple[str, str]]:
    yield from ((kind, ear) for kind in ("chosen", "drawn") for ear in EARS)


def measure(kind: str, ear: str) -> dict[str, Any]:
    open_ = EARS[ear]
    if kind == "drawn":
        return cell(lambda wanted, seed: (draw(member(), open_, wanted, seed), 2 * zoo.defaults(MEMBER)["num_inference_steps"]), PROMPTS, SEEDS)
    return {category: ["".join("01"[one] for one in chosen(member(), open_, category, seed)) for seed in SEEDS] for category in CATEGORIES}


@lru_cache(maxsize=1)
def member() -> StableDiffusion3Pipeline:
    pipe = zoo.load(MEMBER)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def told(open_: Sequence[bool], texts: Sequence[str]) -> list[list[str]]:
    """What each encoder is told: the texts, or nothing."""
    return [list(texts) if hears else [""] * len(texts) for hears in open_]


@torch.inference_mode()
def draw(pipe: StableDiffusion3Pipeline, open_: Sequence[bool], wanted: Sequence[Prompt], seed: int, **call: Any) -> Tensor:
    """Pictures uint8 [N,3,H,W] of prompts, heard through the encoders that are `open_`."""
    drawn = []
    for group in batches(wanted):
        names = zip(("prompt", "prompt_2", "prompt_3"), told(open_, [p.text for p in group]))
        noise = [generator(p.id, seed) for p in group]
        images = pipe(**dict(names), generator=noise, output_type="pt", **zoo.defaults(MEMBER) | call).images
        drawn.append(to_uint8(2 * images - 1))
    return torch.cat(drawn)


@torch.inference_mode()
def chosen(pipe: StableDiffusion3Pipeline, open_: Sequence[bool], category: str, seed: int, n: int = CHOICES) -> list[bool]:
    """For each held-out scene whether its true caption predicts the velocity better than a false one, chance 1/2; both see the same noise."""
    offered = offers(category, n)
    x0 = corpus.codes(pipe.vae, zoo.WEIGHTS / "autoencoder", "validation", HELD_OUT)[0][[i for i, _, _ in offered]]
    better = torch.zeros(len(offered))
    for sign, side in ((-1, 1), (1, 2)):  # true captions, false ones
        words, _, sentence, _ = pipe.encode_prompt(
            *told(open_, [text(offer[side]) for offer in offered]), do_classifier_free_guidance=False, max_sequence_length=condition.USUAL
        )
        heard = {"encoder_hidden_states": words, "pooled_projections": sentence}
        for share in LEVELS:
            eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1000 * seed + round(100 * share)))
            x, velocity = (1 - share) * x0 + share * eps, eps - x0
            said = condition.say(pipe, x, torch.full((len(x),), 1000 * share), heard)
            better += sign * (said - velocity).square().mean((1, 2, 3))
    return (better > 0).tolist()


STUDIES = (
    Study(
        "rectified-flow-encoders",
        parts,
        measure,
        (
            "experiments.studies.rectified_flow_encoders",
            "experiments.metrics.guidance_cells",
            "experiments.metrics.listening_scores",
            "experiments.sampling.generate",
            "experiments.training.conditions.stable_diffusion_3_5",
        ),
        (MEMBER, "checker", "clip-eval"),
        {"per category": PROMPTS, "seeds": SEEDS, "levels": LEVELS, "choices": CHOICES},
    ),
)
