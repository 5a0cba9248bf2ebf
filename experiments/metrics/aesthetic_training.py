"""Training of the aesthetic proxy: renders degraded in known ways, embedded by our CLIP, ridge regression."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.stats import spearmanr

from experiments.artefacts import atomic_folder, file_hash, write_json
from experiments.data.dataset import images as renders
from experiments.metrics.aesthetic import DEGRADATIONS, FOLDER, Linear, degrade, train_aesthetic
from experiments.metrics.clip_score import FOLDER as CLIP_FOLDER
from experiments.metrics.clip_score import Clip
from experiments.metrics.intervals import Estimate, jackknife
from experiments.models.recipes import Recipe
from experiments.training.journal import Journal

PENALTIES = tuple(10.0**k for k in range(-7, 2))
EXPECTED = {"rank correlation": 0.6}  # a corner of a render, enlarged, hides what was cut away


def train(recipe: Recipe, journal: Journal) -> Path:
    """Carry out the proxy's row; there are no steps for the journal to follow."""
    train_proxy(pictures=recipe.images, seed=recipe.seed, made=recipe.made())
    return FOLDER


def train_proxy(clip_folder: Path = CLIP_FOLDER, folder: Path = FOLDER, pictures: int = 4000, seed: int = 0,
                made: str | None = None) -> dict:
    """Train the proxy for one CLIP, save it with its record in `folder` and return the record. Half a minute.

    The penalty is chosen on validation renders, the rank correlation reported is on test renders.
    """
    start, clip = time.monotonic(), Clip(clip_folder)
    train, tune, test = (_embedded(clip, split, n, seed) for split, n in
                         (("train", pictures), ("validation", 1000), ("test", 1000)))
    penalty = max(PENALTIES, key=lambda p: _agreement(train_aesthetic(*train, p), *tune))
    predictor = train_aesthetic(*train, penalty)
    scores = {"rank correlation": agreement(predictor, *test)._asdict()}
    record = {
        "recipe": "aesthetic-proxy", "mirrors": "LAION-Aesthetics: a linear predictor on CLIP embeddings",
        "objective": f"ridge regression, penalty {penalty:g}, on renders degraded by " + ", ".join(DEGRADATIONS),
        "parameters": len(predictor.weight) + 1, "images_seen": pictures, "images_budget": pictures,
        "seconds_spent": round(time.monotonic() - start, 1), "device": "cpu", "dtype": "float64", "seed": seed,
        "clip_sha256": file_hash(clip_folder), "curve": [], "expected": EXPECTED, "scores": scores,
        "evaluations": [[pictures, {k: v["value"] for k, v in scores.items()}]],
        "code_sha256": made,
        "versions": {name: version(name) for name in ("torch", "numpy")},
    }
    with atomic_folder(folder) as scratch:
        save_file({k: v.contiguous() for k, v in predictor._asdict().items()}, scratch / "model.safetensors")
        write_json(scratch / "training.json", record)
    return record


def _embedded(clip: Clip, split: str, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings [n,D] and scores [n] of degraded renders of a split."""
    worse, scores = degrade(torch.from_numpy(np.array(renders(split, 0, n))), seed)
    return clip.images(worse), scores


def _agreement(predictor: Linear, embeddings: torch.Tensor, scores: torch.Tensor) -> float:
    return float(spearmanr(predictor(embeddings), scores).statistic)


def agreement(predictor: Linear, embeddings: torch.Tensor, scores: torch.Tensor, groups: int = 20) -> Estimate:
    """Spearman's rank correlation of predicted and known scores, with a jackknife over groups of pictures."""
    parts = np.array_split(np.arange(len(scores)), groups)
    keep = [np.setdiff1d(np.arange(len(scores)), part) for part in parts]
    left = [_agreement(predictor, embeddings[k], scores[k]) for k in keep]
    return jackknife(_agreement(predictor, embeddings, scores), left, len(scores))
