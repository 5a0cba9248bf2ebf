"""Training of the structure reader on renders of its own, spoiled as drawn pictures are, by the one loop."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.artefacts import atomic_folder, fingerprint, store, write_json
from experiments.data.dataset import scenes as scenes_of
from experiments.data.maps import FAR, NEAR
from experiments.data.render import Rendering, render
from experiments.metrics import structure
from experiments.metrics.checker import normalised
from experiments.metrics.checker_data import checker_scene
from experiments.metrics.faults import spoil
from experiments.metrics.intervals import Estimate, bootstrap
from experiments.models.recipes import Recipe
from experiments.training.journal import Journal
from experiments.training.loop import Plan

FIRST = 50_000  # of the checker's own scenes: those that the checker itself did not learn from


def targets(drawn: Rendering) -> Tensor:
    """What the maps must say, [B,2,64,64]."""
    return torch.stack([(drawn.mask >= 0).float(), ((FAR - drawn.depth) / (FAR - NEAR)).clamp(0, 1)], 1)


def objective(reader, images: Tensor, wanted: Tensor, batch: int):
    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(images), (batch,), generator=generator)
        said, true = reader(spoil(normalised(images[at]), generator)), wanted[at]
        return F.binary_cross_entropy_with_logits(said[:, 0], true[:, 0]) + 4 * (said[:, 1] - true[:, 1]).abs().mean()

    return of_step


def train(recipe: Recipe, journal: Journal, pictures: int = 2000, folder: Path = structure.FOLDER) -> Path:
    """Carry out the reader's row and save weights (float32) and record in `folder`."""
    from safetensors.torch import save_file

    scenes = [checker_scene(FIRST + i) for i in range(pictures)]
    drawn = [render(scenes[i : i + 20]) for i in range(0, pictures, 20)]
    wanted = torch.cat([targets(part) for part in drawn])
    torch.manual_seed(recipe.seed)
    reader = structure.Reader()
    average = copy.deepcopy(reader).requires_grad_(False).eval()
    plan = journal.plan(Plan(recipe.images, recipe.batch, recipe.rate, warmup=30, cooldown=0.6, average=0.99, seed=recipe.seed))
    checkpoint = store("training", f"{recipe.name}-{fingerprint(recipe.made(), pictures)[:16]}.pt")
    journal.run(reader, average, objective(reader, torch.cat([p.image for p in drawn]), wanted, plan.batch), plan, checkpoint, average)
    scores = journal.measure(average, True)
    with atomic_folder(folder) as scratch:
        save_file({k: v.contiguous() for k, v in average.state_dict().items()}, scratch / "model.safetensors")
        write_json(scratch / "training.json", journal.record(scores, average))
    return folder


def measure(reader: Any, thorough: bool) -> dict[str, Estimate]:
    """The ceiling: what is read from renders of scenes that nothing learned from, against the truth."""
    scenes = scenes_of("test", 0, 300 if thorough else 60)
    truth = render(scenes)
    found = structure.read(truth.image, reader)
    return {"solid IoU": bootstrap(structure.overlap(found, truth)), "depth error": bootstrap(structure.depth_error(found, truth))}
