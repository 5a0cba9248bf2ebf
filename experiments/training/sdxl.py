"""Training of an SDXL-type row: codes of pictures of several sizes, each with its sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diffusers import DiffusionPipeline

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
    kept = denoiser.checkpoint(recipe, scenes, weights)
    return denoiser.follow(recipe, journal, plan, kept, pipe, asked(recipe, pipe, scenes, weights), weights)


def asked(recipe: Recipe, pipe: DiffusionPipeline, scenes: int, weights: Path) -> Callable:
    """What makes the loss that the row asks of `pipe`, once its parts are on their device."""
    tokens = [corpus.tokens(tokenizer, "train", scenes) for tokenizer in (pipe.tokenizer, pipe.tokenizer_2)]
    codes = sizes.codes(pipe.vae, weights / "autoencoder", "train", scenes)
    return lambda: loss(pipe, recipe.objective, codes, tokens, recipe.batch)
