"""MoVQ: an autoencoder with a codebook whose decoder is modulated by the code (Zheng et al. 2022, arXiv:2209.09002).

Loss: mean squared error + the commitment to the codebook (van den Oord et al. 2017, arXiv:1711.00937). In half of the batches
the decoder sees the code before it is quantised, since the pipelines decode that (`force_not_quantize`).
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from diffusers import VQModel

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.dataset import images
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import corpus
from experiments.training.autoencoder import to_tensor
from experiments.training.journal import Journal
from experiments.training.loop import Plan
from experiments.training.movq_loss import loss, standardise


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Train the autoencoder of both Kandinskys and bring its codes to the scale that its schedulers expect."""
    torch.manual_seed(recipe.seed)
    model = VQModel(**recipe.config["model"]).to(journal.device)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    pictures = images("train", 0, scenes)
    plan = journal.plan(
        Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed, average=0.998, cooldown=0.5, weight_decay=0.0)
    )
    key = fingerprint(recipe.made(), scenes)
    journal.run(model, average, loss(model, pictures, recipe.batch), plan, store("training", f"{recipe.name}-{key[:16]}.pt"), average)
    standardise(average, to_tensor(pictures[:2000]).to(journal.device))
    return journal.ship(average, weights / recipe.name)


@torch.no_grad()
def codes(model: VQModel, folder: Path, scenes: int) -> torch.Tensor:
    """Codes of training pictures before quantisation, float32 [N,C,8,8]; kept under the hash of weights and pictures."""
    key = fingerprint(source_hash("experiments.data.render"), weights_hash(folder), scenes)
    path = store("codes", f"movq-{key[:24]}.npy")
    if not path.exists():
        pictures = images("train", 0, scenes)
        parts = [model.encode(to_tensor(pictures[i : i + 100]).to(model.device)).latents.cpu() for i in range(0, scenes, 100)]
        with atomic_write(path) as file:
            np.save(file, torch.cat(parts).half().numpy())
    return torch.from_numpy(np.load(path)).float()


@torch.no_grad()
def psnr(model: VQModel, pictures: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB of each picture float [N,3,H,W] in [-1,1] after its unquantised code, [N]."""
    errors = []
    for x in pictures.to(model.device).split(100):
        y = model.decode(model.encode(x).latents, force_not_quantize=True).sample.clamp(-1, 1)
        errors.append((y - x).square().mean((1, 2, 3)))
    return 10 * torch.log10(4 / torch.cat(errors))
