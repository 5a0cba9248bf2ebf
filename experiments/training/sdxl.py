"""Training of an SDXL-type row: codes of pictures of several sizes, each with its sizes."""

from __future__ import annotations

from pathlib import Path

from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS
from experiments.training import corpus, denoiser, sizes
from experiments.training.journal import Journal
from experiments.training.loop import Plan
from experiments.training.sdxl_loss import loss


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train a row and ship it as a pipeline folder under `weights`; returns the folder. Resumes where it was killed."""
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed))
    pipe = denoiser.assemble_seeded(recipe, weights)
    tokens = [corpus.tokens(tokenizer, "train", scenes) for tokenizer in (pipe.tokenizer, pipe.tokenizer_2)]
    codes = sizes.codes(pipe.vae, weights / "autoencoder", "train", scenes)
    kept = denoiser.checkpoint(recipe, scenes, weights)
    return denoiser.follow(recipe, journal, plan, kept, pipe, lambda: loss(pipe, recipe.objective, codes, tokens, recipe.batch), weights)
