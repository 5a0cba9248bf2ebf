"""Attribute bleeding by backbone: U-Net and DiT with cross-attention, and MM-DiT, at equal parameters, data and steps.

All hear the states of the same frozen CLIP tower, learn from scenes of two or three solids and are then asked whose colour
is whose (`metrics.swaps`), by the number of solids and for combinations that training never showed.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from experiments.artefacts import store
from experiments.data.render import render
from experiments.data.scenes import Scene, sample_scene
from experiments.metrics.swaps import Choice, choices, margins
from experiments.models.backbones import BACKBONES, build, gigaflops, parameters, says
from experiments.studies.study import Study
from experiments.training import backbones as training
from experiments.training.loop import Plan

IMAGES, BATCH, RATE = 6_400, 32, 2e-3
SCENES, SOLIDS = 40_000, (2, 3)
COLOURS = ("red", "blue", "green", "yellow")  # of all eight, so that few pictures show each often
SEEDS = (0, 1, 2)
CHOSEN, SEARCHED = 100, 16_000
ASKED = {"two": 2, "three": 3, "four": 4, "withheld": 2, "recoloured": 2}  # solids of each; four were never trained on


@lru_cache(maxsize=1)
def shared() -> tuple[training.Material, dict[str, list[Any]]]:
    """What all backbones learn from, and for each of ASKED: codes of scenes, words of true and of wrong captions."""
    return training.material(SOLIDS, COLOURS, SCENES), training.remembered(f"{STUDY.name}-{STUDY.made()[:24]}.pt", _asked)


def _asked() -> dict[str, list[Tensor]]:
    reader, vae = training.Reader(), training.autoencoder()
    splits = {split: list(filter(_suits, (sample_scene(i, 0, split) for i in range(SEARCHED)))) for split in ("validation", "withheld")}
    found = {}
    for name, solids in ASKED.items():
        split, wrong = ("withheld" if name == "withheld" else "validation"), ("recoloured" if name == "recoloured" else "swapped")
        offered = choices(splits[split], solids, CHOSEN, wrong, COLOURS)
        found[name] = [_encoded(vae, offered), reader([c.true for c in offered]), reader([c.false for c in offered])]
    return found


def _suits(scene: Scene) -> bool:
    return all(solid.colour in COLOURS for solid in scene.solids)


@torch.inference_mode()
def _encoded(vae, offered: list[Choice], batch: int = 50) -> Tensor:
    """Codes of the scenes of choices."""
    parts = []
    for i in range(0, len(offered), batch):
        pictures = render([c.scene for c in offered[i : i + batch]]).image.float() / 127.5 - 1
        parts.append(vae.encode(pictures).latent_dist.mean * vae.config.scaling_factor)
    return torch.cat(parts)


def measure(name: str, seed: int) -> dict[str, Any]:
    """Train one backbone with one seed; [right choices, choices, mean relative margin] for each kind of choice, and the curve."""
    data, asked = shared()
    torch.manual_seed(seed)
    model = build(BACKBONES[name])
    plan = Plan(images=IMAGES, batch=BATCH, rate=RATE, warmup=30, average=0.98, seed=seed)
    model, curve = training.train(model, data, plan, store("studies", f"{STUDY.name}-{name}-{seed}-{STUDY.made()[:12]}.pt"))
    found = {}
    for kind, offered in asked.items():
        gap = margins(partial(says, model), *offered, seed)
        found[kind] = [int((gap > 0).sum()), len(gap), round(float(gap.mean()), 6)]
    facts = {"parameters": parameters(BACKBONES[name]), "gigaflops": gigaflops(BACKBONES[name], training.LENGTH), "images": plan.steps * BATCH}
    return facts | {"chosen": found, "curve": curve}


STUDY = Study(
    "rectified-flow-attributes",
    parts=lambda: [(name, seed) for seed in SEEDS for name in ("mmdit", "unet", "dit")],
    measure=measure,
    made_by=("experiments.training.backbones", "experiments.metrics.swaps", "experiments.models.backbones", "experiments.studies.rectified_flow_attributes"),
    needs=("autoencoder", "clip"),
)
STUDIES = (STUDY,)
