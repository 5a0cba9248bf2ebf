"""Seconds of a picture by every shipped miniature, by turns.

A machine that others share computes at up to twice the speed from one minute to the next, and no clock of a process sees that:
models that are timed one after the other differ by their minutes. Here all lie in one process, and in each round all draw the
same prompts from the same noise once, in an order that is shuffled for the round; batches of several sizes share their rounds.
What a round's speed was, it was for all of them, so two models, or two sizes, are compared by their difference in each round.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np

from experiments.metrics.larger import prompts as captions
from experiments.metrics.member import CLOCK
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.study import Study, recorded

SEED, PROMPTS = 0, 3  # PROMPTS are drawn alone, each in rounds of its own
SIZES = {"alone": (1,), "batches": (2, 8, 25)}  # pictures of a call; sizes of one kind take turns too
ROUNDS = {"alone": 10, "batches": 5}


def parts() -> list[tuple[str, int]]:
    """A kind of SIZES, and the place of its first prompt."""
    return [*(("alone", first) for first in range(PROMPTS)), ("batches", 0)]


@lru_cache(maxsize=1)
def pipelines() -> dict[str, Any]:
    return {name: zoo.load(name) for name in zoo.shipped()}


def measure(kind: str, first: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of one picture by size of a call and miniature, one value for each round, by the clock of the process."""
    draws = {
        (size, name): partial(generate, pipe, captions(first, first + size), SEED, size, **zoo.defaults(name))
        for size in SIZES[kind]
        for name, pipe in pipelines().items()
    }
    found: dict[str, dict[str, list[float]]] = {str(size): {name: [] for name in pipelines()} for size in SIZES[kind]}
    for draw in draws.values():
        draw()  # pages that were not read yet, and whatever else is done once
    for k in range(ROUNDS[kind]):
        order = list(draws)
        random.Random(f"{kind}/{first}/{k}").shuffle(order)
        for size, name in order:
            begun = CLOCK()
            draws[size, name]()
            found[str(size)][name].append(round((CLOCK() - begun) / size, 5))
    return found


STUDY = Study(
    "seconds-by-turns",
    parts,
    measure,
    ("experiments.studies.turns", "experiments.sampling.generate"),
    tuple(zoo.shipped()),
    {"rounds": ROUNDS, "sizes": SIZES, "prompts": PROMPTS, "seed": SEED},
)
STUDIES = (STUDY,)


def alone() -> dict[str, list[list[float]]]:
    """Seconds of single pictures by miniature, [PROMPTS][rounds]; empty where not all was measured."""
    found = recorded(STUDY)
    if not all(("alone", first) in found for first in range(PROMPTS)):
        return {}
    return {name: [found["alone", first]["1"][name] for first in range(PROMPTS)] for name in found["alone", 0]["1"]}


def batches() -> dict[str, dict[str, list[float]]]:
    """By miniature and size of a batch the median seconds of a picture, both quartiles, and the number of rounds."""
    found = recorded(STUDY).get(("batches", 0), {})
    return {name: {size: _quartiles(found[size][name]) for size in found} for name in next(iter(found.values()), {})}


def _quartiles(seconds: list[float]) -> list[float]:
    low, middle, high = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return [middle, low, high, len(seconds)]


def by_turns(members: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What `evaluation.members` tells, with the seconds that were taken by turns, where they were, in the place of its own."""
    single, together = alone(), batches()
    return {
        name: {**told} | ({"calls": single[name]} if name in single else {}) | ({"batches": together[name]} if name in together else {})
        for name, told in members.items()
    }
