"""Training of a text-to-image row from its parts to its pipeline folder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from experiments.artefacts import fingerprint, store
from experiments.models.assemble import pipeline as assemble
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus
from experiments.training.conditioning import denoiser
from experiments.training.journal import Journal
from experiments.training.loop import Plan
from experiments.training.objective import loss


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train a row and ship it as a pipeline folder under `weights`; returns the folder. Resumes where it was killed."""
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed))
    return carry_out(recipe, journal, plan, checkpoint(recipe, scenes, weights), scenes, weights)


def checkpoint(recipe: Recipe, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Where a row's training in progress is kept: named by all that it follows from."""
    key = fingerprint(recipe.made(), scenes, [weights_hash(weights / need) for need in recipe.needs])
    return store("training", f"{recipe.name}-{key[:16]}.pt")


def carry_out(recipe: Recipe, journal: Journal, plan: Plan, kept: Path, scenes: int, weights: Path) -> Path:
    """Train to the end of `plan`, with progress kept in the file `kept`, and ship."""
    pipe = assemble_seeded(recipe, weights)
    tokens = corpus.tokens(pipe.tokenizer, "train", scenes)
    codes = corpus.codes(pipe.vae, weights / "autoencoder", "train", scenes)
    return follow(recipe, journal, plan, kept, pipe, lambda: loss(pipe, recipe.objective, codes, tokens, recipe.batch), weights)


def follow(recipe: Recipe, journal: Journal, plan: Plan, kept: Path, pipe: DiffusionPipeline, make_loss: Callable, weights: Path) -> Path:
    """Train the denoiser of `pipe` by the loss that `make_loss()` gives, and ship the pipeline with the moving average in its place."""
    for part in ("text_encoder", "text_encoder_2", "text_encoder_3", "vae", denoiser_name(pipe)):
        if getattr(pipe, part, None) is not None:
            getattr(pipe, part).to(journal.device)
    model = denoiser(pipe)
    average = copy.deepcopy(model).requires_grad_(False)
    steps = make_loss()
    setattr(pipe, denoiser_name(pipe), average)
    journal.run(model, average, steps, plan, kept, pipe)
    return journal.ship(pipe, weights / recipe.name, shared={"vae": "autoencoder", **_towers(pipe, recipe, weights)})


def assemble_seeded(recipe: Recipe, weights: Path) -> DiffusionPipeline:
    torch.manual_seed(recipe.seed)  # initial weights only: what training draws has its own generator
    return assemble(recipe, weights)


def denoiser_name(pipe: DiffusionPipeline) -> str:
    return "unet" if getattr(pipe, "unet", None) is not None else "transformer"


def _towers(pipe: DiffusionPipeline, recipe: Recipe, weights: Path) -> dict[str, str]:
    """Folders under `weights` of the pipeline's text towers, in the order of the row's needs."""
    parts = [name for name in ("text_encoder", "text_encoder_2") if getattr(pipe, name, None) is not None]
    towers = [name for name in recipe.needs if name.startswith("clip")]
    kinds = ["text_encoder_projected" if hasattr(getattr(pipe, p), "text_projection") else "text_encoder" for p in parts]
    kinds = [kind if (weights / tower / kind).is_dir() else "text_encoder_projected" for tower, kind in zip(towers, kinds)]
    return {part: f"{tower}/{kind}" for part, tower, kind in zip(parts, towers, kinds, strict=True)}
