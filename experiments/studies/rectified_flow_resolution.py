"""The timestep shift against resolution: one MM-DiT trained on codes of 32, 64 and 128 pixels, drawing by shifted times.

The scenes, captions, times and steps are the same; the picture has 4, 16 or 64 patches. Pictures are brought to 64 pixels before
the checker's features see them, real ones in the same way, so that distances can be compared.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from experiments.artefacts import fingerprint, source_hash, store
from experiments.data.captions import caption
from experiments.data.dataset import scenes
from experiments.data.render import render
from experiments.data.scenes import Scene
from experiments.metrics.features import extract, network
from experiments.metrics.kernel import kid
from experiments.models.backbones import BACKBONES, CHANNELS, build
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.studies.rectified_flow_steps import follow
from experiments.studies.study import Study
from experiments.training import backbones as training
from experiments.training import paths
from experiments.training.loop import Plan

PIXELS, SEEDS = (32, 64, 128), (0, 1, 2)
SHIFTS, STEPS = (0.25, 0.5, 1.0, 2.0, 4.0), (4, 8)
SCENES, IMAGES, BATCH, RATE = 12_000, 16_000, 32, 2e-3
DRAWN, COMPARED = 200, 2_000
USUAL, FACTOR = 64, 8  # pixels that the features were made for, and of one code


def single(split: str, count: int) -> list[Scene]:
    """Those of the first `count` scenes of a split that hold one solid."""
    return [scene for scene in scenes(split, 0, count) if len(scene.solids) == 1]


def pictures(some: list[Scene], pixels: int) -> Tensor:
    """Renders uint8 [N,3,pixels,pixels], in parts, since a large one takes its memory."""
    return torch.cat([render(some[i : i + 50], pixels).image for i in range(0, len(some), 50)])


def usual(shown: Tensor) -> Tensor:
    """Pictures uint8 [N,3,H,H] of another size at 64 pixels."""
    x = F.interpolate(shown.float(), (USUAL, USUAL), mode="bilinear", antialias=True)
    return x.round().clamp(0, 255).to(torch.uint8)


@cache
def shared() -> SimpleNamespace:
    """Captions and noise-free parts that all sizes have in common."""
    reader, asked = training.Reader(), single("validation", COMPARED)
    words = reader([caption(scene, "en", training.STYLE) for scene in asked[:DRAWN]])
    return SimpleNamespace(reader=reader, asked=asked, words=words, vae=training.autoencoder(), seen=network("scenes"))


@cache
def against(pixels: int) -> Tensor:
    """Features of held-out renders of that size."""
    return extract(usual(pictures(shared().asked, pixels)), shared().seen)


def material(pixels: int) -> training.Material:
    """Codes of training renders of that size, made once and kept."""
    code = source_hash("experiments.data.render", "experiments.studies.rectified_flow_resolution")
    key = fingerprint(code, pixels, [weights_hash(WEIGHTS / part) for part in ("autoencoder", "clip")])
    shown = single("train", SCENES)
    texts = [caption(scene, "en", training.STYLE) for scene in shown]
    known = {text: row for row, text in enumerate(dict.fromkeys(texts))}

    def make() -> tuple[Tensor, ...]:
        own = shared()
        found = [own.vae.encode(part.float() / 127.5 - 1).latent_dist for part in pictures(shown, pixels).split(50)]
        mean, deviation = (torch.cat([getattr(q, what) for q in found]) * own.vae.config.scaling_factor for what in ("mean", "std"))
        return mean, deviation, torch.tensor([known[text] for text in texts]), own.reader(list(known)), own.reader([""])

    with torch.no_grad():
        kept = training.remembered(f"resolution-{key[:24]}.pt", make)
    return training.Material(*kept, tuple(shown))


def trained(pixels: int, seed: int) -> tuple[torch.nn.Module, list]:
    torch.manual_seed(seed)  # initial weights only
    side = pixels // FACTOR
    model = build(BACKBONES["mmdit"], sample_size=side, pos_embed_max_size=side)
    plan = Plan(images=IMAGES, batch=BATCH, rate=RATE, warmup=30, average=0.98, seed=seed)
    kept = store("studies", f"{STUDY.name}-{pixels}-{seed}-{STUDY.made()[:12]}.pt")
    return training.train(model, material(pixels), plan, kept, objective="flow", draw=paths.straight())


def measure(pixels: int, seed: int) -> dict[str, Any]:
    """KID by number of steps and shift of the times that the network is asked at."""
    own, side = shared(), pixels // FACTOR
    model, curve = trained(pixels, seed)
    noise = torch.randn((DRAWN, CHANNELS, side, side), generator=torch.Generator().manual_seed(seed))

    def distance(shift: float, steps: int) -> float:
        codes = follow(model, FlowMatchEulerDiscreteScheduler(shift=shift), own.words, noise, steps)[0][-1]
        shown = torch.cat([usual(training.decode(own.vae, part)) for part in codes.split(50)])
        return round(float(kid(extract(shown, own.seen), against(pixels))), 6)

    return {"curve": curve, "kid": {str(n): {f"{shift:g}": distance(shift, n) for shift in SHIFTS} for n in STEPS}}


STUDY = Study(
    "rectified-flow-resolution",
    parts=lambda: [(pixels, seed) for seed in SEEDS for pixels in PIXELS],
    measure=measure,
    made_by=(
        "experiments.studies.rectified_flow_resolution", "experiments.training.backbones", "experiments.models.backbones",
        "experiments.metrics.features", "experiments.metrics.kernel",
    ),  # fmt: skip
    needs=("autoencoder", "clip", "checker"),
)
STUDIES = (STUDY,)
