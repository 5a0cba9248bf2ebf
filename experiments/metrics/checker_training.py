"""Training of the checker on spoiled renders, by the one loop; see `checker` for what it is, `checker_data` for what it
sees. Its record holds the ceiling on held-out renders."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from experiments.artefacts import atomic_folder, fingerprint, store, write_json
from experiments.data.dataset import images as renders
from experiments.data.dataset import scenes as scenes_of
from experiments.data.prompts import CATEGORIES
from experiments.metrics.ceiling import answers, ceiling, recovery
from experiments.metrics.checker import FOLDER, Checker, normalised, save
from experiments.metrics.checker_data import CHUNK, chunk
from experiments.metrics.checker_loss import objective
from experiments.metrics.faults import spoil
from experiments.metrics.images import to_uint8
from experiments.metrics.intervals import Estimate
from experiments.models.recipes import Recipe
from experiments.training.journal import Journal
from experiments.training.loop import Plan

SCHEDULE = {"warmup": 200, "cooldown": 0.6, "weight_decay": 0.02, "average": 0.995}
PICTURES = 24_000
HELD_OUT = {"test": 1000, "withheld": 1000}
EXPECTED = {**{name: 0.995 for name in CATEGORIES}, "count": 0.995, "shape": 0.98, "colour": 0.98}


def train(recipe: Recipe, journal: Journal, pictures: int = PICTURES, folder: Path = FOLDER) -> Path:
    """Carry out the checker's row: train, measure the ceiling, save both in `folder`.

    About eight minutes on one free thread with bfloat16 tiles, and two for the renders.
    """
    parts = [chunk(number) for number in range(-(-pictures // CHUNK))]
    images, wanted = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
    torch.manual_seed(recipe.seed)
    checker = Checker(**recipe.config).to(memory_format=torch.channels_last)
    average = copy.deepcopy(checker).eval()
    plan = journal.plan(Plan(recipe.images, recipe.batch, recipe.rate, seed=recipe.seed, **SCHEDULE))
    checkpoint = store("training", f"{recipe.name}-{fingerprint(recipe.made(), pictures)[:16]}.pt")
    journal.run(checker, average, objective(checker, images, wanted, plan.batch), plan, checkpoint, average)
    scores = journal.measure(average, True)
    with atomic_folder(folder) as scratch:
        save(average, scratch)
        write_json(scratch / "training.json", journal.record(scores, average) | {"expected": EXPECTED})
    return folder


def measure(checker: Checker, held_out: Mapping[str, int] = MappingProxyType(HELD_OUT)) -> dict[str, Estimate]:
    """The ceiling on held-out renders: by category and by attribute, on seen and on withheld combinations
    ("withheld/"), and by attribute on spoiled renders ("spoiled/")."""
    found: dict[str, Estimate] = {}
    for split, n in held_out.items():
        prefix = "" if split == "test" else f"{split}/"
        scenes, pictures = scenes_of(split, 0, n), torch.from_numpy(np.array(renders(split, 0, n)))
        for part in (ceiling(answers(scenes, pictures, checker)), recovery(scenes, pictures, checker)):
            found |= {prefix + name: estimate for name, estimate in part.items()}
        if split == "test":
            spoiled = to_uint8(spoil(normalised(pictures), torch.Generator().manual_seed(1)))
            found |= {f"spoiled/{name}": e for name, e in recovery(scenes, spoiled, checker).items()}
    return found
