"""What mini-hunyuan-dit hears through each of its two encoders, by language: by choosing, by drawing, and told two things at once.

An encoder is switched off by telling it the empty caption, which the network knows from learning to draw without a text. The
pipeline takes what either encoder says by itself, so nothing in the network is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from diffusers import HunyuanDiTPipeline
from torch import Tensor

from experiments.data.mixed import SPOKEN, asked, said
from experiments.data.prompts import Prompt
from experiments.metrics.alignment import evaluate
from experiments.metrics.images import to_uint8
from experiments.metrics.listening_scores import CATEGORIES, DRAWN, HELD_OUT, LEVELS, Count, counted, offers
from experiments.models import zoo
from experiments.sampling.generate import batches, generator
from experiments.studies.study import Study
from experiments.training import corpus
from experiments.training.conditions import hunyuan_dit

MEMBER = "mini-hunyuan-dit"
EARS = {"both": (True, True), "CLIP alone": (True, False), "mT5 alone": (False, True)}  # which encoder is told the text
TORN = (("en", "en"), ("zh", "zh"), ("en", "zh"), ("zh", "en"))  # in what language CLIP and mT5 are told different things
SEEDS, CHOICES, WISHES, PAIRS = (0, 1, 2), 100, 56, 84


def parts() -> Iterator[tuple[str, str, int]]:
    for seed in SEEDS:
        yield from (("heard", ear, seed) for ear in EARS)
        yield "torn", "between two", seed


def measure(kind: str, ear: str, seed: int) -> dict[str, Any]:
    pipe = zoo.load(MEMBER)
    pipe.set_progress_bar_config(disable=True)
    return torn(pipe, seed) if kind == "torn" else heard(pipe, EARS[ear], seed)


def heard(pipe: HunyuanDiTPipeline, open_: tuple[bool, bool], seed: int) -> dict[str, Any]:
    """By language right choices of each category, and right pictures; `silent`: pictures that are right when nothing was told."""
    found: dict[str, Any] = {"chosen": {}, "drawn": {}}
    for spoken in SPOKEN:
        found["chosen"][spoken] = {category: chosen(pipe, open_, category, spoken, seed) for category in CATEGORIES}
        found["drawn"][spoken] = right(wishes := asked_for(spoken), draw(pipe, wishes, *through(open_, wishes), seed))
    if open_ == EARS["both"]:
        found["silent"] = right(wishes := asked_for("en"), draw(pipe, wishes, *through((False, False), wishes), seed))
    return found


def asked_for(spoken: str) -> list[Prompt]:
    return [p for category in DRAWN for p in asked("test", category, WISHES, spoken)]


def through(open_: tuple[bool, bool], wishes: Sequence[Prompt]) -> tuple[list[str], ...]:
    """What either encoder is told: the texts, or nothing."""
    return tuple([p.text if hears else "" for p in wishes] for hears in open_)


def right(wishes: Sequence[Prompt], pictures: Tensor) -> Mapping[str, Count]:
    return counted(wishes, [verdict.ok for verdict in evaluate(wishes, pictures)])


def torn(pipe: HunyuanDiTPipeline, seed: int) -> dict[str, Count]:
    """CLIP is told of one solid and mT5 of another: how often the picture shows what CLIP was told and what mT5 was told, and of how many."""
    found = {}
    for languages in TORN:
        first, second = (asked("test", "colours", PAIRS + 1, spoken) for spoken in languages)
        pairs = [(a, b) for a, b in zip(first, second[1:]) if a.wanted.solids != b.wanted.solids]
        told, other = map(list, zip(*pairs))
        pictures = draw(pipe, told, [p.text for p in told], [p.text for p in other], seed)
        follows = [sum(v.ok for v in evaluate(wishes, pictures)) for wishes in (told, other)]
        found["+".join(languages)] = [*follows, len(pairs)]
    return found


@torch.inference_mode()
def draw(pipe: HunyuanDiTPipeline, wishes: Sequence[Prompt], first: Sequence[str], second: Sequence[str], seed: int, **call: Any) -> Tensor:
    """Pictures uint8 [N,3,H,W] from the noises of `wishes`, CLIP being told `first` and mT5 `second`."""
    drawn = []
    for numbers in batches(range(len(wishes))):
        told = spoken_to(pipe, [first[i] for i in numbers], [second[i] for i in numbers])
        noise = [generator(wishes[i].id, seed) for i in numbers]
        images = pipe(**told, generator=noise, output_type="pt", **zoo.defaults(MEMBER) | call).images
        drawn.append(to_uint8(2 * images - 1))
    return torch.cat(drawn)


def spoken_to(pipe: HunyuanDiTPipeline, first: Sequence[str], second: Sequence[str]) -> dict[str, Tensor]:
    """What the pipeline takes in the place of a prompt: states and masks of each encoder for its own texts, and for nothing."""
    told = {}
    for k, texts in enumerate((first, second)):
        states, empty, mask, empty_mask = pipe.encode_prompt(list(texts), device=pipe.device, text_encoder_index=k)
        names = (f"{name}_2" if k else name for name in ("prompt_embeds", "negative_prompt_embeds", "prompt_attention_mask", "negative_prompt_attention_mask"))
        told |= dict(zip(names, (states, empty, mask, empty_mask)))
    return told


@torch.inference_mode()
def chosen(pipe: HunyuanDiTPipeline, open_: tuple[bool, bool], category: str, spoken: str, seed: int) -> Count:
    """In how many held-out scenes the true caption predicts the velocity better than the false one, chance 1/2; both see the same noise."""
    offered = offers(category, CHOICES)
    x0 = corpus.codes(pipe.vae, zoo.WEIGHTS / "autoencoder", "validation", HELD_OUT)[0][[i for i, _, _ in offered]]
    better = torch.zeros(len(offered))
    for sign, side in ((-1, 1), (1, 2)):  # true captions, false ones
        texts = [said(offer[side], spoken) for offer in offered]
        told = spoken_to(pipe, *(texts if hears else [""] * len(texts) for hears in open_))
        heard_ = {
            "encoder_hidden_states": told["prompt_embeds"],
            "text_embedding_mask": told["prompt_attention_mask"],
            "encoder_hidden_states_t5": told["prompt_embeds_2"],
            "text_embedding_mask_t5": told["prompt_attention_mask_2"],
        }
        for k in LEVELS:
            eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1000 * seed + k))
            kept = pipe.scheduler.alphas_cumprod[k]
            x, v = kept.sqrt() * x0 + (1 - kept).sqrt() * eps, kept.sqrt() * eps - (1 - kept).sqrt() * x0
            better += sign * (hunyuan_dit.say(pipe, x, torch.full((len(x),), k), heard_) - v).square().mean((1, 2, 3))
    return [int((better > 0).sum()), len(offered)]


STUDIES = (
    Study(
        "hunyuan-languages",
        parts,
        measure,
        (
            "experiments.studies.hunyuan",
            "experiments.metrics.listening_scores",
            "experiments.metrics.alignment",
            "experiments.training.conditions.hunyuan_dit",
            "experiments.sampling.generate",
            "experiments.data.mixed",
        ),
        (MEMBER, "checker"),
        dict(seeds=SEEDS, choices=CHOICES, wishes=WISHES, pairs=PAIRS),
    ),
)
