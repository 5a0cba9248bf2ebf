"""Forgetting by filtering: a denoiser that never saw a solid or a pose, whose text tower knows the word, and its return.

Scenes hold one solid. `filtered` training leaves out every cone and every cube that stands corner first; `returned` is
the same until RETURN of the steps are done, then half of each batch is what was left out; `whole` leaves out nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from experiments.artefacts import store
from experiments.data.prompts import Prompt, Requirement, Wanted, text
from experiments.data.scenes import COLOURS, SHAPES, Solid, kinds, sample_scene
from experiments.metrics.checker import detect
from experiments.metrics.swaps import prediction_error
from experiments.models.backbones import BACKBONES, build, says
from experiments.models.zoo import WEIGHTS
from experiments.sampling.generate import generator
from experiments.studies.study import Study
from experiments.training import backbones as training
from experiments.training import corpus
from experiments.training.loop import Plan

REGIMES = ("whole", "filtered", "returned")
IMAGES, BATCH, RATE = 6_400, 32, 2e-3
RETURN = 0.75
SCENES = 24_000
SEEDS = (0, 1, 2)
SHAPE, POSE = "cone", "cube, corner first"
GROUPS = (SHAPE, POSE, "cube, face first", "sphere", "cylinder")
SEARCHED = 2000
STEPS, GUIDANCE, DRAWN = 12, 3.0, 24


def group(solid: Solid) -> str:
    """Which of GROUPS a solid belongs to. A cube's rotation counts modulo a right angle; at an eighth turn an edge faces us."""
    if solid.shape != "cube":
        return solid.shape
    return POSE if abs(solid.rotation - math.pi / 4) < math.pi / 8 else "cube, face first"


@lru_cache(maxsize=1)
def shared() -> tuple[training.Material, Tensor, Tensor]:
    """The training scenes, and the rows that are left out and that stay."""
    data = training.material((1,), COLOURS, SCENES)
    out = torch.tensor([group(scene.solids[0]) in (SHAPE, POSE) for scene in data.scenes])
    return data, out.nonzero()[:, 0], (~out).nonzero()[:, 0]


@lru_cache(maxsize=1)
def held_out() -> dict[str, list[Tensor]]:
    """For each group: codes of held-out scenes, words of their captions and of captions with another shape."""
    return training.remembered(f"{STUDY.name}-{STUDY.made()[:24]}.pt", _held_out)


def _held_out() -> dict[str, list[Tensor]]:
    reader = training.Reader()
    codes = corpus.codes(training.autoencoder(), WEIGHTS / "autoencoder", "validation", SEARCHED)[0]
    alone = [(i, s.solids[0]) for i in range(SEARCHED) if len((s := sample_scene(i, 0, "validation")).solids) == 1]
    found = {}
    for name in GROUPS:
        rows = [(i, solid) for i, solid in alone if group(solid) == name]
        told = [_caption(solid.shape, solid.colour) for _, solid in rows]
        false = [_caption(_other(solid.shape, k), solid.colour) for k, (_, solid) in enumerate(rows)]
        found[name] = [codes[[i for i, _ in rows]], reader(told), reader(false)]
    return found


def _caption(shape: str, colour: str) -> str:
    return text(Requirement((Wanted(shape, colour),)))


def _other(shape: str, k: int) -> str:
    """Another shape, never the one that was left out."""
    left = [s for s in SHAPES if s not in (shape, SHAPE)]
    return left[k % len(left)]


def picker(regime: str, out: Tensor, stay: Tensor, steps: int):
    """Which rows a batch holds."""

    def pick(step: int, g: torch.Generator, batch: int) -> Tensor:
        def of(rows: Tensor, n: int) -> Tensor:
            return rows[torch.randint(len(rows), (n,), generator=g)]

        if regime == "whole":
            return torch.randint(len(out) + len(stay), (batch,), generator=g)
        if regime == "returned" and step >= RETURN * steps:
            return torch.cat([of(out, batch // 2), of(stay, batch - batch // 2)])
        return of(stay, batch)

    return pick


def wishes() -> list[Prompt]:
    """DRAWN prompts for each shape, each with a colour that training shows with it."""
    found = []
    for shape in SHAPES:
        known = [colour for colour, s in kinds(False) if s == shape]
        for k in range(DRAWN):
            wanted = Requirement((Wanted(shape, known[k % len(known)]),))
            found.append(Prompt(f"forgetting/{shape}/{k}", "colours", text(wanted), wanted))
    return found


def measure(regime: str, seed: int) -> dict[str, Any]:
    """Errors by group, choices between the true shape and another, and what is drawn when each shape is asked for."""
    data, out, stay = shared()
    torch.manual_seed(seed)
    model = build(BACKBONES["mmdit"])
    plan = Plan(images=IMAGES, batch=BATCH, rate=RATE, warmup=30, average=0.98, seed=seed)
    kept = store("studies", f"{STUDY.name}-{regime}-{seed}-{STUDY.made()[:12]}.pt")
    model, curve = training.train(model, data, plan, kept, pick=picker(regime, out, stay, plan.steps))
    error, chosen = {}, {}
    for name, (codes, true, false) in held_out().items():
        right, wrong = (prediction_error(partial(says, model), codes, words, seed) for words in (true, false))
        error[name] = [round(float(right.mean()), 5), len(right)]
        chosen[name] = [int((wrong > right).sum()), len(right)]
    return {"error": error, "chosen": chosen, "drawn": _drawn(model, seed), "curve": curve}


def _drawn(model, seed: int) -> dict[str, dict[str, int]]:
    """For each shape that is asked for, how often the clearest solid of a picture has which shape; "nothing" where none is seen."""
    reader, vae, asked = training.Reader(), training.autoencoder(), wishes()
    noise = torch.stack([torch.randn(16, 8, 8, generator=generator(p.id, seed)) for p in asked])
    pictures = training.decode(vae, training.sample(model, reader([p.text for p in asked]), reader([""]), noise, STEPS, GUIDANCE))
    found: dict[str, Counter] = {shape: Counter() for shape in SHAPES}
    for prompt, seen in zip(asked, detect(pictures)):
        clearest = max(seen, key=lambda d: d.score, default=None)
        found[prompt.wanted.solids[0].shape][clearest.shape if clearest else "nothing"] += 1
    return {shape: dict(counts) for shape, counts in found.items()}


STUDY = Study(
    "rectified-flow-forgetting",
    parts=lambda: [(regime, seed) for seed in SEEDS for regime in REGIMES],
    measure=measure,
    made_by=("experiments.training.backbones", "experiments.models.backbones", "experiments.metrics.checker", "experiments.metrics.swaps", "experiments.studies.rectified_flow_forgetting"),
    needs=("autoencoder", "clip", "checker"),
)
STUDIES = (STUDY,)
