"""How good the checker itself is: its verdicts on held-out renders, where the scene says what is true.

For every category a scene gives a requirement that it meets and a foil that it does not. The share of both judged
rightly is the ceiling of any accuracy measured with this checker, and is printed beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from experiments.data.prompts import CATEGORIES, OPPOSITE, Requirement, Wanted
from experiments.data.scenes import COLOURS, SHAPES, Scene
from experiments.metrics.alignment import Verdict, check
from experiments.metrics.checker import Checker, detect
from experiments.metrics.intervals import Estimate, wilson


class Question(NamedTuple):
    """A requirement about one scene, and whether the scene meets it."""

    category: str
    requirement: Requirement
    truth: bool


class Answer(NamedTuple):
    """What the checker said to a question about picture `index`."""

    index: int
    question: Question
    verdict: Verdict

    @property
    def right(self) -> bool:
        return self.verdict.ok == self.question.truth


def questions(scene: Scene, seed: int = 0) -> Iterator[Question]:
    """A true requirement and a foil in each category that the scene allows. Foils swap, add, or turn round."""
    g = np.random.default_rng(seed)
    for category, requirement in _requirements(scene, g):
        # the scene itself is the judge: with two look-alikes a foil may be true
        yield Question(category, requirement, check(requirement, scene.solids).ok)


def _requirements(scene: Scene, g: np.random.Generator) -> Iterator[tuple[str, Requirement]]:
    first, *others = scene.solids
    shape = SHAPES[(SHAPES.index(first.shape) + g.integers(1, 4)) % 4]
    colour = COLOURS[(COLOURS.index(first.colour) + g.integers(1, 8)) % 8]
    same = sum(s.shape == first.shape for s in scene.solids)
    for wanted in (first.shape, shape):
        yield "single object", Requirement((Wanted(wanted),))
        yield "counting", Requirement((Wanted(wanted),), count=same)
    for count in (same - 1, same + 1):
        if count:
            yield "counting", Requirement((Wanted(first.shape),), count=count)
    for wanted in (first.colour, colour):
        yield "colours", Requirement((Wanted(first.shape, wanted),))
    for k, other in enumerate(others, 1):
        yield "two objects", Requirement((Wanted(first.shape), Wanted(other.shape)))
        yield "two objects", Requirement((Wanted(first.shape), Wanted(SHAPES[g.integers(4)])))
        for relation in scene.related(0, k):
            pair = Wanted(first.shape), Wanted(other.shape)
            yield "position", Requirement(pair, relation=relation)
            if first.shape != other.shape and len(scene.solids) == 2:
                yield "position", Requirement(pair, relation=OPPOSITE[relation])
        if first.shape != other.shape and first.colour != other.colour:
            for one, two in ((first.colour, other.colour), (other.colour, first.colour)):
                wanted = Wanted(first.shape, one), Wanted(other.shape, two)
                yield "colour attribution", Requirement(wanted)


def answers(scenes: Sequence[Scene], images: Tensor, checker: Checker | None = None) -> list[Answer]:
    """The checker's answers to every question about every render, uint8 [N,3,64,64]."""
    found = detect(images, checker)
    return [Answer(i, q, check(q.requirement, found[i])) for i, scene in enumerate(scenes) for q in questions(scene, i)]


def ceiling(given: Sequence[Answer]) -> dict[str, Estimate]:
    """Share of right answers: for each category ("counting") and for its true and false questions apart."""
    groups: dict[str, list[bool]] = {}
    for a in given:
        kind = "met" if a.question.truth else "not met"
        for name in (a.question.category, f"{a.question.category}, {kind}"):
            groups.setdefault(name, []).append(a.right)
    return {name: wilson(sum(right), len(right)) for name, right in sorted(groups.items(), key=_order)}


def _order(item: tuple) -> tuple:
    return CATEGORIES.index(item[0].split(", ")[0]), item[0]


def recovery(scenes: Sequence[Scene], images: Tensor, checker: Checker | None = None) -> dict[str, Estimate]:
    """How well solids are read, over renders: share of pictures with the right number, and with each attribute of every
    solid right (the pictures with the right number, solids paired by place)."""
    marks: dict[str, list[bool]] = {"count": []}
    for scene, found in zip(scenes, detect(images, checker), strict=True):
        marks["count"].append(len(found) == len(scene.solids))
        if marks["count"][-1]:
            pairs = _paired(scene, found)
            for name in ("shape", "colour", "size", "material"):
                marks.setdefault(name, []).append(all(getattr(s, name) == getattr(d, name) for s, d in pairs))
            marks.setdefault("place", []).append(all(abs(s.x - d.x) < 0.2 and abs(s.y - d.y) < 0.2 for s, d in pairs))
    return {name: wilson(sum(right), len(right)) for name, right in marks.items()}


def _paired(scene: Scene, found: Sequence) -> list[tuple]:
    from scipy.optimize import linear_sum_assignment

    apart = [[(s.x - d.x) ** 2 + (s.y - d.y) ** 2 for d in found] for s in scene.solids]
    return [(scene.solids[i], found[j]) for i, j in zip(*linear_sum_assignment(apart))]
