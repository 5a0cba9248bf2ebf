"""FLUX.2 in miniature: trained as the family is, its autoencoder kept as the shared one and the few statistics of its class."""

from __future__ import annotations

from pathlib import Path

from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS
from experiments.training import corpus, text_to_image
from experiments.training.journal import Journal
from experiments.training.smaller import resting_on


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """The row from the beginning; its `vae` then rests on `autoencoder`."""
    folder = text_to_image.train(recipe, journal, scenes, weights)
    resting_on(folder / "vae", weights / "autoencoder")
    return folder
