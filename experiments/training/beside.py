"""Arms that do not ship: a row trained in the cache, beside the weights that it starts from and leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from experiments.artefacts import fingerprint, store
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import text_to_image
from experiments.training.journal import Journal


def train(row: Recipe, images: int, weights: Path = WEIGHTS) -> Path:
    """Train `row` on pairs, for `images` images; returns its folder, which holds a pipeline and a record. Its needs are those of
    `weights`. A finished arm stays, a killed one goes on, and one whose code or needs have changed is another."""
    made = fingerprint(row.made(), images, [weights_hash(weights / need) for need in row.needs])
    folder = store("training", f"beside-{made[:16]}")
    folder.mkdir(parents=True, exist_ok=True)
    for need in row.needs:
        if not (folder / need).exists():
            os.symlink(weights / need, folder / need)
    if not (folder / row.name / "training.json").exists():
        journal = Journal(row, torch.device("cpu"), lambda thing, thorough: {}, images=images)
        text_to_image.on_pairs(row, journal, weights=folder)
    return folder / row.name
