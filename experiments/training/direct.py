"""One-step distillation without reflow: mini-instaflow's training on the pairs of mini-sd1.5 itself, as an arm that does not ship.

It has the images of both trainings on the way to mini-instaflow together, and as many pairs as they had.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import torch

from experiments.artefacts import store
from experiments.models.recipes import RECIPES, Recipe
from experiments.models.zoo import WEIGHTS
from experiments.training import text_to_image
from experiments.training.journal import Journal

NAME = "direct"
PARTS = ("autoencoder", "clip", "mini-sd1.5")


def recipe() -> Recipe:
    """mini-instaflow's row with the teacher of its teacher, from which it starts as well."""
    student, first = RECIPES["mini-instaflow"], RECIPES["mini-2-rectified-flow"]
    config = dict(student.config) | dict(start=first.config["start"], pairs=first.config["pairs"])
    return dataclasses.replace(student, name=NAME, config=config, needs=PARTS)


def train(images: int, weights: Path = WEIGHTS) -> Path:
    """The folder of the trained arm, which has a pipeline and a record; a finished one stays, a killed one goes on."""
    folder = _beside(weights)
    if (folder / NAME / "training.json").exists():
        return folder / NAME
    journal = Journal(recipe(), torch.device("cpu"), lambda thing, thorough: {}, images=images)
    return text_to_image.on_pairs(recipe(), journal, weights=folder)


def _beside(weights: Path) -> Path:
    """A folder of weights of its own with links to the PARTS of `weights`."""
    folder = store("training", "without-reflow")
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if not (folder / part).exists():
            os.symlink(weights / part, folder / part)
    return folder
