"""What mini-flux2 hears through its causal language model and mini-flux1-teacher through T5 and CLIP, in short and in long captions.

By choosing: of two captions of a held-out scene, one of them wrong in one respect, the true one should predict the velocity
better (Li et al. 2023, arXiv:2303.16203). An encoder, or one of the language model's layers, is switched off by putting what it
says of the empty caption in its place. By drawing: test prompts, and captions that state everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import combinations, count, islice
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from experiments.data.captions import caption
from experiments.data.prompts import Prompt, Requirement, Wanted
from experiments.data.render import render
from experiments.data.scenes import Scene, kinds, sample_scene
from experiments.metrics.checker import Detection, detect
from experiments.metrics.guidance_cells import measure as cell
from experiments.models import zoo
from experiments.models.pipelines import parts as shared
from experiments.sampling.generate import generate
from experiments.studies import flux
from experiments.studies.study import Study
from experiments.training.conditions import flux as flux_1
from experiments.training.conditions import flux_2

MEMBER, TEACHER = "mini-flux2", flux.TEACHER
LAYERS = flux_2.LAYERS
Open = tuple[bool, ...]  # which of its voices a model hears: T5 and CLIP, or the layers of the language model
WHOLE: dict[str, Open] = {TEACHER: (True, True), MEMBER: (True,) * len(LAYERS)}
EARS: dict[str, tuple[str, Open]] = {  # who listens, and to what
    "T5 alone": (TEACHER, (True, False)),
    "CLIP alone": (TEACHER, (False, True)),
    **{f"layer {k} alone": (MEMBER, tuple(j == k for j in LAYERS)) for k in LAYERS},
    **{f"without layer {k}": (MEMBER, tuple(j != k for j in LAYERS)) for k in LAYERS},
}
STYLES = {"short": 2, "long": 0}  # colour and shape; everything and where it stands, in the same words and the same order
SOLIDS, MANY = (1, 2, 3), 3
LEVELS = (0.6, 0.8)  # times on the straight path at which two captions are compared
SEEDS, SCENES, PROMPTS, BATCH = (0, 1, 2), 334, 100, 64  # 1002 scenes of each number of solids; a seed has its own


def parts() -> Iterator[tuple[str, str, int]]:
    yield from (("chosen", name, seed) for seed in SEEDS for name in (MEMBER, TEACHER))
    yield "drawn", MEMBER, len(SEEDS)  # the teacher's pictures are those of the study `flux-teacher`
    yield from (("through", ear, seed) for seed in SEEDS for ear in EARS)
    yield from (("long", name, seed) for seed in SEEDS for name in (MEMBER, TEACHER))


def measure(kind: str, who: str, seed: int) -> dict[str, Any]:
    match kind:
        case "chosen":
            pipe, cells = zoo.load(who), [(style, n) for style in STYLES for n in SOLIDS]
            return {f"{style}, {n} solids": chosen(pipe, WHOLE[who], codes(n, seed), clear(n, seed), style, seed) for style, n in cells}
        case "through":
            name, open_ = EARS[who]
            return chosen(zoo.load(name), open_, codes(MANY, seed), clear(MANY, seed), "long", seed, "colour")
        case "drawn":
            return cell(partial(flux.drawn, who, flux.W, flux.STEPS), flux.PROMPTS, flux.SEEDS)
    wishes = [wish for n in SOLIDS[1:] for wish in asked(n, seed)]
    found = detect(generate(zoo.load(who), wishes, seed, **zoo.defaults(who)))
    return {"shown": [shown(wish.wanted, solids) for wish, solids in zip(wishes, found, strict=True)]}


# ---- scenes, and what may be wrong with what is said of them ----------------------------------------------------------


@lru_cache(maxsize=None)
def clear(solids: int, seed: int, n: int = SCENES) -> tuple[Scene, ...]:
    """The first `n` held-out scenes of a seed with that many solids of which every fault can be told."""
    every = (sample_scene(i, seed, "validation", solids) for i in count())
    return tuple(islice((scene for scene in every if _clear(scene)), n))


def _clear(scene: Scene) -> bool:
    """Whether colours tell the solids apart, two of them can exchange theirs, and where each stands can be stated."""
    n = len(scene.solids)
    distinct = len({solid.colour for solid in scene.solids}) == n
    return distinct and all(scene.related(i, i + 1) for i in range(n - 1)) and (n == 1 or exchanged(scene) is not None)


def faults(scene: Scene, number: int, style: str) -> dict[str, str]:
    """False captions by what is wrong: a colour, by place; a shape, at a place that goes round with `number`; whose colour is whose;
    in long captions every relation turned into its opposite. No fault asks for a colour and shape that training withheld.
    """
    solids = scene.solids
    false = {f"colour {place + 1}": changed(scene, place, colour=_other_colour(scene, place, number)) for place in range(len(solids))}
    place = number % len(solids)
    shapes = [s for c, s in kinds(False) if c == solids[place].colour and s != solids[place].shape]
    false["shape"] = changed(scene, place, shape=shapes[number % len(shapes)])
    if len(solids) > 1:
        false["whose colour"] = exchanged(scene)
        if style == "long":
            false["relation"] = replace(scene, solids=tuple(replace(s, x=-s.x, y=-s.y) for s in solids))
    return {name: said(other, style) for name, other in false.items()}


def said(scene: Scene, style: str) -> str:
    return caption(scene, "en", STYLES[style])


def changed(scene: Scene, place: int, **attributes: str) -> Scene:
    """The scene whose solid number `place` has other attributes."""
    return replace(scene, solids=tuple(replace(s, **attributes) if k == place else s for k, s in enumerate(scene.solids)))


def exchanged(scene: Scene) -> Scene | None:
    """The first two solids of unlike shape that can exchange their colours have done so; None where there are none."""
    for i, j in combinations(range(len(scene.solids)), 2):
        a, b = scene.solids[i], scene.solids[j]
        if a.shape != b.shape and {(b.colour, a.shape), (a.colour, b.shape)} <= set(kinds(False)):
            return changed(changed(scene, i, colour=b.colour), j, colour=a.colour)
    return None


def _other_colour(scene: Scene, place: int, number: int) -> str:
    seen = {solid.colour for solid in scene.solids}
    left = [c for c, s in kinds(False) if s == scene.solids[place].shape and c not in seen]
    return left[number % len(left)]


# ---- choosing -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=None)
@torch.inference_mode()
def codes(solids: int, seed: int) -> Tensor:
    """Codes [N,C,h,w] of the renders of `clear`: means of q(z|x)."""
    vae, scenes = shared.autoencoder(zoo.WEIGHTS), clear(solids, seed)
    images = torch.cat([render(scenes[i : i + BATCH]).image for i in range(0, len(scenes), BATCH)]).float() / 127.5 - 1
    return torch.cat([vae.encode(part).latent_dist.mean for part in images.split(BATCH)]) * vae.config.scaling_factor


def chosen(
    pipe: DiffusionPipeline, open_: Open, x0: Tensor, scenes: Sequence[Scene], style: str, seed: int, kind: str = ""
) -> dict[str, str]:
    """For each fault whose name begins with `kind`, scene by scene: 1 where the true caption predicts better than the false one."""
    true = errors(pipe, open_, x0, [said(scene, style) for scene in scenes], seed)
    false, found = [faults(scene, number, style) for number, scene in enumerate(scenes)], {}
    for name in (name for name in false[0] if name.startswith(kind)):
        worse = errors(pipe, open_, x0, [row[name] for row in false], seed) > true
        found[name] = "".join("01"[right] for right in worse.tolist())
    return found


@torch.inference_mode()
def errors(pipe: DiffusionPipeline, open_: Open, x0: Tensor, texts: Sequence[str], seed: int) -> Tensor:
    """Squared error of the velocity [N], summed over LEVELS; the noise depends on the seed alone, so it is the same for every text."""
    say, told, total = (flux_1 if _has_t5(pipe) else flux_2).say, hear(pipe, texts, open_), torch.zeros(len(x0))
    for t in LEVELS:
        eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1000 * seed + round(100 * t)))
        for rows in torch.arange(len(x0)).split(BATCH):
            x = (1 - t) * x0[rows] + t * eps[rows]
            v = say(pipe, x, torch.full((len(rows),), 1000 * t), {name: value[rows] for name, value in told.items()})
            total[rows] += (v - (eps[rows] - x0[rows])).square().mean((1, 2, 3))
    return total


@torch.inference_mode()
def hear(pipe: DiffusionPipeline, texts: Sequence[str], open_: Open) -> dict[str, Tensor]:
    """What the denoiser is told of `texts`, as its pipeline makes it; a voice that is not open says what it says of the empty
    caption. States [B,L,D] and, for FLUX.1, a sentence vector [B,P].
    """
    words = voices(pipe, list(texts))
    if not all(open_):
        empty = voices(pipe, [""])
        words = [voice if hears else nothing.expand_as(voice) for voice, nothing, hears in zip(words, empty, open_, strict=True)]
    if _has_t5(pipe):
        return {"encoder_hidden_states": words[0], "pooled_projections": words[1]}
    return {"encoder_hidden_states": torch.cat(words, -1)}


def voices(pipe: DiffusionPipeline, texts: list[str]) -> list[Tensor]:
    """T5's states and CLIP's sentence vector, or the states of each of LAYERS."""
    if _has_t5(pipe):
        return list(pipe.encode_prompt(texts, texts, max_sequence_length=flux_1.USUAL)[:2])
    return list(pipe.encode_prompt(texts, max_sequence_length=flux_2.USUAL, text_encoder_out_layers=LAYERS)[0].chunk(len(LAYERS), -1))


def _has_t5(pipe: DiffusionPipeline) -> bool:
    return hasattr(pipe, "text_encoder_2")


# ---- drawing --------------------------------------------------------------------------------------------------------


def asked(solids: int, seed: int, n: int = PROMPTS) -> list[Prompt]:
    """Long captions of held-out scenes as prompts; what is asked for is each solid's shape and colour, in the order of the text."""
    return [
        Prompt(f"long-{seed}/{solids}/{k:03d}", f"{solids} solids", said(scene, "long"), Requirement(tuple(Wanted(s.shape, s.colour) for s in scene.solids)))
        for k, scene in enumerate(clear(solids, seed)[:n])
    ]


def shown(wanted: Requirement, found: Sequence[Detection]) -> str:
    """For each solid in the order of the text, 1 where the picture shows it. Colours differ, so no detection serves for two."""
    return "".join("01"[any(one.fits(solid) for solid in found)] for one in wanted.solids)


STUDY = Study(
    "flux2",
    parts,
    measure,
    (
        "experiments.studies.flux2",
        "experiments.studies.flux",
        "experiments.metrics.guidance_cells",
        "experiments.sampling.generate",
        "experiments.training.conditions.flux",
        "experiments.training.conditions.flux_2",
    ),
    (MEMBER, TEACHER, "autoencoder", "checker", "clip-eval"),
    dict(seeds=SEEDS, scenes=SCENES, prompts=PROMPTS, levels=LEVELS),
)
STUDIES = (STUDY,)
