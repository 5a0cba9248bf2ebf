"""Weight injection in numbers: mastery of a new concept, and what is left of the old prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from experiments.adapters.drawing import draw
from experiments.data.novel import TOWER, Novelty
from experiments.data.prompts import Prompt, Requirement, Wanted, prompts
from experiments.data.scenes import COLOURS, SHAPES, Solid
from experiments.metrics import concept as probes
from experiments.metrics.alignment import evaluate
from experiments.metrics.intervals import Estimate, wilson


def concept_prompts(concept: str, copies: int = 4) -> list[Prompt]:
    """The concept in each of the eight colours, `copies` times with other noise: towers, striped old shapes, or striped towers."""
    asked = []
    for k, colour in enumerate(COLOURS * copies):
        shape = SHAPES[k % 4] if concept == "stripes" else TOWER
        text = Novelty(Solid(shape, colour, "large", "rubber", 0.0, 0.0, 0.0), "gray", concept != TOWER).text
        asked.append(Prompt(f"concept/{k:03d}", "colours", text, Requirement((Wanted(shape, colour),))))
    return asked


def mastery(pictures: Tensor, asked: Sequence[Prompt], concept: str) -> dict[str, list[int]]:
    """For each picture whether the probes see the asked shape, the texture, the colour, and all of them (1 or 0)."""
    said = probes.judge(pictures)
    wanted = [p.wanted.solids[0] for p in asked]
    texture = "plain" if concept == TOWER else "striped"
    right = {
        "shape": [a == w.shape for a, w in zip(said["shape"], wanted)],
        "texture": [a == texture for a in said["texture"]],
        "colour": [a == w.colour for a, w in zip(said["colour"], wanted)],
    }
    together = [all(row) for row in zip(*right.values())]
    return {name: [int(x) for x in values] for name, values in (right | {"concept": together}).items()}


def old_prompts(each: int = 12) -> list[Prompt]:
    """What the base could draw before: test prompts of three categories."""
    return [p for category in ("single object", "colours", "colour attribution") for p in prompts("test", category, each)]


def concept(thing: Any, thorough: bool) -> dict[str, Estimate]:
    """Scores of a row of weight injection: mastery of its concept, and what is left of the old prompts."""
    pipe, method = thing
    asked, before = concept_prompts(method.concept), old_prompts()
    found = mastery(draw(pipe, asked), asked, method.concept)
    kept = sum(verdict.ok for verdict in evaluate(before, draw(pipe, before)))
    return {name: wilson(sum(right), len(right)) for name, right in found.items()} | {"old prompts": wilson(kept, len(before))}
