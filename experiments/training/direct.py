"""One-step distillation without reflow: mini-instaflow's training on the pairs of mini-sd1.5 itself, as an arm that does not ship.

It has the images of both trainings on the way to mini-instaflow together, and as many pairs as they had.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from experiments.models.recipes import RECIPES, Recipe
from experiments.models.zoo import WEIGHTS
from experiments.training import beside

NAME = "direct"
REFLOWED, DISTILLED = 16_000, 12_000  # images of the two trainings on the way to InstaFlow, in the studies of models of few steps
IMAGES = REFLOWED + DISTILLED  # of this arm


def recipe() -> Recipe:
    """mini-instaflow's row with the teacher of its teacher, from which it starts as well."""
    student, first = RECIPES["mini-instaflow"], RECIPES["mini-2-rectified-flow"]
    config = dict(student.config) | dict(start=first.config["start"], pairs=first.config["pairs"])
    return dataclasses.replace(student, name=NAME, config=config, needs=first.needs)


def train(images: int = IMAGES, weights: Path = WEIGHTS) -> Path:
    """The folder of the trained arm (`beside.train`)."""
    return beside.train(recipe(), images, weights)
