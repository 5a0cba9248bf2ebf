"""Kandinsky in miniature: two stages against one, where the embedding comes from, what mixtures show, in which language it is asked.

Its combined pipeline calls the prior and then the decoder with one generator. Here both calls are made one after the other, each with
noise of its own, so that every way to come by an embedding begins from the same noise of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from experiments.data.mixed import MIXED, SPOKEN, asked, said
from experiments.data.prompts import CATEGORIES, Prompt
from experiments.data.render import render
from experiments.data.scenes import Scene, sample_scene
from experiments.metrics.alignment import evaluate
from experiments.metrics.guidance_cells import measure
from experiments.metrics.images import to_uint8
from experiments.metrics.matched import described
from experiments.models import zoo
from experiments.sampling.generate import batches, generate, generator
from experiments.studies.study import Study
from experiments.training import priors
from experiments.training.autoencoder import to_tensor

MEMBER, PRIOR, THREE, ONE = "mini-kandinsky2.1", "kandinsky-prior", "mini-kandinsky3", "mini-sd1.5"
WAYS = ("prior", "true", "mean", "text", "nothing")  # where the embedding comes from
PER_CATEGORY, SEEDS, BATCH = 56, (0, 1, 2), 42  # 1008 pictures of each cell
GUIDANCE, DRAWS = 4.0, 8  # of the prior, as in its combined pipeline; embeddings behind a mean
POOL = 20_000  # validation scenes among which one is found that a prompt describes
PAIRS, SHARES = 56, (0.0, 0.25, 0.5, 0.75, 1.0)  # of mixtures; a share is that of the second
KINDS = ("text and picture", "picture and picture")
TOLD = (("zh", "zh"), ("vi", "vi"), ("zh", "en"), ("vi", "en"), (MIXED, MIXED))  # language of the decoder and of the prior
IN_MIXED = ("single object", "two objects", "colours", "colour attribution")  # categories that have a mixed wording
IN_TWO = 84  # mixed prompts of each of them: 1008 pictures of each language


@lru_cache(maxsize=2)
def load(name: str) -> Any:
    """A pipeline of the zoo, loaded once."""
    return zoo.load(name)


# ---- where an embedding comes from ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def held_out() -> dict[tuple[str, ...], list[Scene]]:
    """Validation scenes by the shapes that they show, sorted."""
    found: dict[tuple[str, ...], list[Scene]] = {}
    for i in range(POOL):
        scene = sample_scene(i, split="validation")
        found.setdefault(tuple(sorted(solid.shape for solid in scene.solids)), []).append(scene)
    return found


def answer(prompt: Prompt, seed: int) -> Scene:
    """A held-out scene that shows what is asked and nothing else; which one, (prompt id, seed) decides."""
    shapes = tuple(sorted(w.shape for w in prompt.wanted.solids * (prompt.wanted.count or 1)))
    fitting = [scene for scene in held_out().get(shapes, []) if described(prompt.wanted, scene)]
    if not fitting:
        raise ValueError(f"none of {POOL} validation scenes is {prompt.text!r} and nothing else: raise POOL")
    return fitting[int(torch.randint(len(fitting), (), generator=generator(f"answer/{prompt.id}", seed)))]


@torch.no_grad()
def seen(prior: Any, wanted: Sequence[Prompt], seed: int) -> Tensor:
    """CLIP's embeddings [N,D] of held-out pictures that answer the prompts."""
    found = []
    for group in batches(wanted, BATCH):
        pictures = to_tensor(render([answer(p, seed) for p in group]).image)
        found.append(prior.image_encoder(pictures).image_embeds)
    return torch.cat(found)


def drawn(prior: Any, wanted: Sequence[Prompt], seed: int) -> Tensor:
    """An embedding [N,D] of each prompt as the combined pipeline asks its prior for it."""
    return priors.drawn(prior, [p.text for p in wanted], [p.id for p in wanted], seed, GUIDANCE)


def embedding(prior: Any, way: str, wanted: Sequence[Prompt], seed: int) -> Tensor:
    """An embedding [N,D] for each prompt by one of WAYS; "nothing" is that of a gray picture, what guidance leads away from."""
    if way == "true":
        return seen(prior, wanted, seed)
    if way == "mean":
        return mean(prior, tuple(p.text for p in wanted))
    if way == "text":
        return priors.of_text(prior, [p.text for p in wanted])
    return prior.get_zero_embed(len(wanted)) if way == "nothing" else drawn(prior, wanted, seed)


@lru_cache(maxsize=1)
def mean(prior: Any, texts: tuple[str, ...]) -> Tensor:
    """The mean [N,D] of DRAWS embeddings that the prior draws of each text: the same wherever a text comes again."""
    unlike = list(dict.fromkeys(texts))
    names = [(text, f"mean/{text}/{k}") for text in unlike for k in range(DRAWS)]
    found = priors.drawn(prior, *zip(*names), 0, GUIDANCE).view(len(unlike), DRAWS, -1).mean(1)
    return found[[unlike.index(text) for text in texts]]


# ---- pictures -----------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def decode(pipe: Any, wanted: Sequence[Prompt], texts: Sequence[str], z: Tensor, seed: int, **call: Any) -> Tensor:
    """Pictures, uint8 [N,3,H,W], from the noises of `wanted`; the second stage is told `texts` and the embeddings z [N,D]."""
    decoder, pictures = zoo.in_unit_range(pipe.decoder_pipe), []
    given = {name: value for name, value in zoo.defaults(MEMBER).items() if not name.startswith("prior_")} | call
    for numbers in batches(range(len(wanted)), BATCH):
        told = dict(image_embeds=z[list(numbers)], negative_image_embeds=pipe.prior_pipe.get_zero_embed(len(numbers)))
        noise = [generator(wanted[i].id, seed) for i in numbers]
        images = decoder([texts[i] for i in numbers], generator=noise, output_type="pt", **told, **given).images
        pictures.append(to_uint8(2 * images - 1))
    return torch.cat(pictures)


def through(way: str, wanted: Sequence[Prompt], seed: int, **call: Any) -> Tensor:
    """Pictures of prompts through both stages, the embedding by one of WAYS."""
    pipe = load(MEMBER)
    return decode(pipe, wanted, [p.text for p in wanted], embedding(pipe.prior_pipe, way, wanted, seed), seed, **call)


def pictures(name: str, way: str, wanted: Sequence[Prompt], seed: int, **call: Any) -> tuple[Tensor, int]:
    """Pictures of a member, uint8 [N,3,H,W], and how often its U-Net was asked for each."""
    pipe, asked_for = load(name), 0

    def count(module: torch.nn.Module, given: tuple, answered: tuple) -> None:
        nonlocal asked_for
        asked_for += len(answered[0])

    hook = pipe.unet.register_forward_hook(count)
    made = through(way, wanted, seed, **call) if name == MEMBER else generate(pipe, wanted, seed, BATCH, **zoo.defaults(name) | call)
    hook.remove()
    return made, asked_for // len(wanted)


def cell(name: str, way: str) -> dict[str, Any]:
    return measure(partial(pictures, name, way), PER_CATEGORY, SEEDS)


# ---- mixtures -------------------------------------------------------------------------------------------------------------


def pairs() -> list[tuple[Prompt, Prompt]]:
    """Two coloured solids that differ in colour and shape."""
    wanted = asked("test", "colours", 3 * PAIRS, "en")
    solids = [p.wanted.solids[0] for p in wanted]
    apart = [k for k in range(len(wanted) - 1) if solids[k].shape != solids[k + 1].shape and solids[k].colour != solids[k + 1].colour]
    return [(wanted[k], wanted[k + 1]) for k in apart[:PAIRS]]


def ends(prior: Any, kind: str, seed: int) -> list[Tensor]:
    """Embeddings [N,D] of the first and of the second of each of `pairs`."""
    both = [list(side) for side in zip(*pairs())]
    return [seen(prior, side, seed) if word == "picture" else drawn(prior, side, seed) for word, side in zip(kind.split(" and "), both)]


def mixed(kind: str, seed: int) -> dict[str, dict[str, str]]:
    """By share of the second: for each pair whether its first and its second are seen. No caption is told, as in diffusers' examples."""
    pipe = load(MEMBER)
    sides, (first, second) = list(zip(*pairs())), ends(pipe.prior_pipe, kind, seed)
    noises = [replace(a, id=f"mixture/{a.id}/{b.id}") for a, b in pairs()]
    found = {}
    for share in SHARES:
        made = decode(pipe, noises, [""] * len(noises), (1 - share) * first + share * second, seed)
        found[f"{share:g}"] = {which: marks(side, made) for which, side in zip(("first", "second"), sides)}
    return found


def marks(wanted: Sequence[Prompt], made: Tensor) -> str:
    """Right pictures as 1, wrong ones as 0."""
    return "".join("01"[verdict.ok] for verdict in evaluate(wanted, made))


# ---- languages ------------------------------------------------------------------------------------------------------------


def wishes(spoken: str) -> list[Prompt]:
    """Test prompts in one of SPOKEN; those in two languages at once are more of fewer categories."""
    each = dict.fromkeys(IN_MIXED, IN_TWO) if spoken == MIXED else dict.fromkeys(CATEGORIES, PER_CATEGORY)
    return [p for category, n in each.items() for p in asked("test", category, n, spoken)]


def in_language(decoder: str, prior: str, seed: int) -> dict[str, str]:
    """By category right pictures, where the second stage reads the prompt in one language and the first in another."""
    pipe, wanted = load(MEMBER), wishes(decoder)
    z = drawn(pipe.prior_pipe, [replace(p, text=said(p.wanted, prior)) for p in wanted], seed)
    found: dict[str, str] = {}
    for p, mark in zip(wanted, marks(wanted, decode(pipe, wanted, [p.text for p in wanted], z, seed)), strict=True):
        found[p.category] = found.get(p.category, "") + mark
    return found


# ---- studies --------------------------------------------------------------------------------------------------------------

MADE_BY = (
    "experiments.studies.kandinsky", "experiments.metrics.guidance_cells", "experiments.metrics.alignment", "experiments.sampling.generate",
    "experiments.training.priors", "experiments.data.mixed",
)  # fmt: skip
_SETTINGS: dict[str, Any] = {"per category": PER_CATEGORY, "seeds": SEEDS}
_CELLS = ((MEMBER, "prior"), (ONE, "caption"), *((MEMBER, way) for way in ("true", "nothing", "mean", "text")))


def _seeded(*settings: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Every seed of the first setting, then of the next: a study that is cut short has whole settings."""
    yield from ((*one, seed) for one in settings for seed in SEEDS)


TWO_STAGES = Study("kandinsky-two-stages", lambda: _CELLS, cell, MADE_BY, (MEMBER, ONE, "checker", "clip-eval"), _SETTINGS)
LANGUAGES = Study("kandinsky-languages", lambda: _seeded(*TOLD), in_language, MADE_BY, (MEMBER, "checker"), _SETTINGS)
MIXING = Study(
    "kandinsky-mixing",
    lambda: _seeded(*((kind,) for kind in KINDS)),
    mixed,
    MADE_BY,
    (MEMBER, "checker"),
    {"pairs": PAIRS, "shares": SHARES, "seeds": SEEDS},
)
NO_PRIOR = Study("kandinsky-3", lambda: ((THREE, "caption"),), cell, MADE_BY, (THREE, "checker", "clip-eval"), _SETTINGS)
STUDIES = (TWO_STAGES, LANGUAGES, MIXING, NO_PRIOR)
