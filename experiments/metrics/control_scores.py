"""Feature injection in numbers: how well pictures show the structure that a condition map asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from experiments.adapters import control
from experiments.adapters.drawing import draw, picture, wish
from experiments.data import maps
from experiments.data.scenes import Scene
from experiments.metrics import structure
from experiments.metrics.checker import detect
from experiments.metrics.held_out import held_out, truth
from experiments.metrics.intervals import Estimate, bootstrap
from experiments.models import zoo

FIDELITY = ("solid IoU", "edge F1", "depth error", "position error")


def fidelity(pictures: Tensor, wanted: tuple[Scene, ...]) -> dict[str, np.ndarray]:
    """How well each picture shows the structure of its scene (one value a picture), and the share of
    the solids named in its caption, by colour and shape, that it shows."""
    real, found, seen = truth(wanted), structure.read(pictures), detect(pictures)
    named = [wish(scene, "").wanted.solids for scene in wanted]
    return {
        "solid IoU": structure.overlap(found, real),
        "edge F1": structure.outline(pictures, real),
        "depth error": structure.depth_error(found, real),
        "position error": structure.distance(seen, real),
        "prompt": np.array([np.mean([any(w.fits(d) for d in there) for w in asked]) for asked, there in zip(named, seen)]),
    }


def controlled(
    pipe: Any,
    branch: nn.Module,
    kind: str,
    wanted: tuple[Scene, ...],
    scale: float = 1.0,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    **call: Any,
) -> Tensor:
    """Pictures of scenes drawn from their maps of one kind, with their captions, or with other `texts`."""
    prompts = [wish(scene, f"control/{k:03d}") for k, scene in enumerate(wanted)]
    if texts is not None:
        prompts = [type(p)(p.id, p.category, text, p.wanted) for p, text in zip(prompts, texts)]
    pictures = picture(maps.condition(kind, wanted, truth(wanted)))
    return draw(control.attach(pipe, branch), prompts, seed, {"image": pictures}, **{control.scale_argument(branch): scale}, **call)


def branch(thing: nn.Module, thorough: bool) -> dict[str, Estimate]:
    """Scores of a row of feature injection, drawn from maps of held-out scenes; `thing.reads` is the kind of its maps."""
    wanted = held_out("test" if thorough else "validation", 100 if thorough else 20)
    found = fidelity(controlled(zoo.load("mini-sd1.5"), thing, thing.reads, wanted), wanted)
    return {score: bootstrap(found[score]) for score in (*FIDELITY, "prompt")}
