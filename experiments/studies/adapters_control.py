"""Feature injection: what a map controls, how that is learned, and what the beginning at zero is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from experiments.adapters import control, learning
from experiments.adapters.control import Branch
from experiments.adapters.drawing import draw, wish
from experiments.artefacts import atomic_write
from experiments.data import maps
from experiments.data.captions import conjoin, describe
from experiments.data.prompts import Requirement, Wanted
from experiments.data.scenes import SHAPES, Scene
from experiments.metrics import control_scores as measures
from experiments.metrics import structure
from experiments.metrics.alignment import check
from experiments.metrics.checker import detect
from experiments.metrics.held_out import held_out, truth
from experiments.models import zoo
from experiments.studies.study import FOLDER, Study

N, LOOKED_AT, SHOWN = 60, 16, 6
SCALES = (0.25, 0.5, 1.5, 2.0)
SEEDS = (0, 1, 2)
INPUTS = ("edges", "depth", "pose", "typography", "spectrogram")


def parts() -> Iterator[tuple[Any, ...]]:
    """(map, way, beginning, seed), the most wanted first; and what bounds them from both sides."""
    yield ("segmentation", "controlnet", "zero", 0)
    yield ("bounds",)
    yield ("segmentation", "t2i-adapter", "-", 0)
    yield ("segmentation", "controlnet", "ordinary", 0)
    yield ("edges", "controlnet", "zero", 0)
    yield from ((kind, "controlnet", "zero", 0) for kind in INPUTS[1:])
    yield from (("segmentation", "controlnet", init, seed) for seed in SEEDS[1:] for init in ("zero", "ordinary"))


def measure(kind: str, way: str = "", init: str = "", seed: int = 0) -> dict[str, Any]:
    """One branch, trained and looked at on the way, or the bounds of what any branch can reach."""
    if kind == "bounds":
        return bounds()
    pipe = zoo.load(learning.BASE)
    branch = Branch(kind, way, "zero" if init == "-" else init, seed)
    trained, history = control.trained_branch(branch, pipe, look=lambda model: looked(pipe, model, kind))
    wanted = held_out("test", N)
    pictures = measures.controlled(pipe, trained, kind, wanted, seed=seed)
    found = {1.0: measures.fidelity(pictures, wanted)}
    if seed == 0 and init != "ordinary":
        sheet(f"{way}-{kind}", pictures[:SHOWN])
    swept = kind == "segmentation" and init != "ordinary" and seed == 0
    if swept:
        found |= {s: measures.fidelity(measures.controlled(pipe, trained, kind, wanted[: N // 2], s, seed), wanted[: N // 2]) for s in SCALES}
    return {
        "parameters": sum(p.numel() for p in trained.parameters()),
        "memory": learning.memory(control.build(branch, pipe.unet), pipe.unet),
        "images": branch.plan.steps * branch.batch,
        "seconds": history.seconds,
        "damage": damage(pipe, control.build(branch, pipe.unet), kind),
        "curve": history.curve,
        "looks": history.looks,
        "scales": {f"{s:g}": plain(scores) for s, scores in sorted(found.items())},
        "rotation error": turned(pictures, wanted) if kind in ("pose", "edges") else [],
        "conflict": conflict(pipe, trained, kind, wanted[: N // 2], seed) if swept else {},
    }


def sheet(name: str, pictures: torch.Tensor) -> None:
    """Keep a few pictures side by side, beside the study's record."""
    row = torch.cat(list(pictures), 2).permute(1, 2, 0)
    with atomic_write(FOLDER / f"adapters-{name}.png") as file:
        Image.fromarray(row.numpy()).save(file, format="PNG")


def looked(pipe: Any, model: nn.Module, kind: str) -> dict[str, float]:
    """Overlap and distance on scenes for looking, without guidance, which halves the time."""
    wanted = held_out("validation", LOOKED_AT)
    found = measures.fidelity(measures.controlled(pipe, model, kind, wanted, guidance_scale=1.0), wanted)
    return {name: round(float(found[name].mean()), 4) for name in ("solid IoU", "position error")}


@torch.no_grad()
def damage(pipe: Any, untrained: nn.Module, kind: str) -> dict[str, float]:
    """What an untrained branch does to the base: change of its prediction (share of its own size) and of its loss."""
    known = learning.material(pipe, 200)
    pictures = maps.condition(kind, known.scenes[:64]).float() / 255
    known = learning.Material(known.scenes[:64], known.mean[:64], known.deviation[:64], known.captions[:64], known.words, known.silence)
    at, x, timestep, words, eps = learning.noised(pipe, known, 64, 0.0, torch.Generator().manual_seed(0))
    alone = pipe.unet(x, timestep, words).sample
    beside = control.predict(pipe.unet, untrained, x, timestep, words, pictures[at])
    return {
        "change": float((beside - alone).norm() / alone.norm()),
        "loss before": float((alone - eps).square().mean()),
        "loss after": float((beside - eps).square().mean()),
    }


def opposed(scene: Scene) -> str:
    """A prompt of the same colours that names, for each solid, the shape two further on in the list."""
    others = [replace(solid, shape=SHAPES[(SHAPES.index(solid.shape) + 2) % 4]) for solid in scene.solids]
    return conjoin([describe(solid, "en", ("colour",)) for solid in others])


def conflict(pipe: Any, branch: nn.Module, kind: str, wanted: tuple[Scene, ...], seed: int) -> dict[str, Any]:
    """Whose shapes are drawn when map and prompt name different ones: shares of pictures by scale."""
    texts, found = [opposed(scene) for scene in wanted], {}
    for scale in (0.5, 1.0, 2.0):
        pictures = measures.controlled(pipe, branch, kind, wanted, scale, seed, texts)
        seen = detect(pictures)
        follows = [check(_shapes(s, 0), d).ok for s, d in zip(wanted, seen)], [check(_shapes(s, 2), d).ok for s, d in zip(wanted, seen)]
        overlap = plain(measures.fidelity(pictures, wanted))["solid IoU"]
        found[f"{scale:g}"] = {"map": [int(x) for x in follows[0]], "prompt": [int(x) for x in follows[1]], "solid IoU": overlap}
    return found


def _shapes(scene: Scene, shift: int) -> Requirement:
    return Requirement(tuple(Wanted(SHAPES[(SHAPES.index(s.shape) + shift) % 4]) for s in scene.solids))


def turned(pictures: torch.Tensor, wanted: tuple[Scene, ...]) -> list[float]:
    """Errors of the rotation of cubes, in degrees."""
    return [round(float(x), 1) for x in structure.turned(pictures, wanted, truth(wanted))]


def plain(scores: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Scores as lists of short numbers."""
    return {name: [round(float(value), 3) for value in values] for name, values in scores.items()}


def bounds() -> dict[str, Any]:
    """From below the base without a map; from above the scenes' own renders, after the autoencoder."""
    pipe, wanted = zoo.load(learning.BASE), held_out("test", N)
    prompts = [wish(scene, f"control/{k:03d}") for k, scene in enumerate(wanted)]
    uncontrolled = draw(pipe, prompts)
    renders = truth(wanted).image
    with torch.no_grad():
        again = torch.cat([pipe.vae(part.float() / 127.5 - 1).sample for part in renders.split(25)])
    decoded = ((again.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return {
        "base": plain(measures.fidelity(uncontrolled, wanted)) | {"rotation error": turned(uncontrolled, wanted)},
        "renders": plain(measures.fidelity(decoded, wanted)) | {"rotation error": turned(decoded, wanted)},
    }


STUDIES = (
    Study(
        "adapters-control",
        parts,
        measure,
        ("experiments.studies.adapters_control", "experiments.adapters.control", "experiments.metrics.control_scores"),
        (learning.BASE, "checker", "structure-reader"),
        {"n": N, "looked at": LOOKED_AT, "scales": list(SCALES), "seeds": list(SEEDS)},
    ),
)
