"""Training of the classifier of noisy latents, on the schedule of the denoiser that it is to guide."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler

from experiments.artefacts import fingerprint, store
from experiments.data.dataset import scenes as scenes_of
from experiments.models.latent_classifier import LatentClassifier, truth
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus, paths
from experiments.training.journal import Journal
from experiments.training.latent_classifier_loss import loss
from experiments.training.loop import Plan


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train the row and ship it; returns its folder."""
    autoencoder = AutoencoderKL.from_pretrained(weights / "autoencoder", torch_dtype=torch.float32)
    codes = corpus.codes(autoencoder, weights / "autoencoder", "train", scenes)
    torch.manual_seed(recipe.seed)
    model = LatentClassifier(**recipe.config["classifier"]).to(journal.device)
    average = copy.deepcopy(model).requires_grad_(False)
    key = fingerprint(recipe.made(), scenes, weights_hash(weights / "autoencoder"))
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed, average=0.99))
    draw = paths.variance_preserving(DDIMScheduler(**recipe.config["scheduler"]).alphas_cumprod)
    steps = loss(model, draw, codes, truth(scenes_of("train", 0, scenes)), recipe.batch)
    journal.run(model, average, steps, plan, store("training", f"{recipe.name}-{key[:16]}.pt"), average)
    return journal.ship(average, weights / recipe.name)
