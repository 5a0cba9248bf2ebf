"""Training of the checker on spoiled renders, by the one loop; see `checker` for what it is, `checker_data` for what it
sees. Its record holds the ceiling on held-out renders."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from experiments.artefacts import atomic_folder, fingerprint, source_hash, store, write_json
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
from experiments.training.loop import Plan, Progress, fit
from experiments.training.precision import fast_dtype

PLAN = Plan(images=224_000, batch=64, rate=2e-3, warmup=200, cooldown=0.6, weight_decay=0.02, average=0.995)
PICTURES = 24_000
HELD_OUT = {"test": 1000, "withheld": 1000}
CODE = ("experiments.metrics.checker_loss", "experiments.training.loop")  # what the weights depend on
EXPECTED = {**{name: 0.995 for name in CATEGORIES}, "count": 0.995, "shape": 0.98, "colour": 0.98}


def train_checker(plan: Plan = PLAN, pictures: int = PICTURES, width: int = 64, folder: Path = FOLDER,
                  held_out: Mapping[str, int] = MappingProxyType(HELD_OUT)) -> dict:
    """Train the checker, measure its ceiling, save both in `folder` and return the record. Resumes where it was killed.

    About eight minutes on one thread with bfloat16 tiles, and two for the renders.
    """
    parts = [chunk(number) for number in range(-(-pictures // CHUNK))]
    images, wanted = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
    made = {"code_sha256": source_hash(*CODE),
            "data_sha256": fingerprint(source_hash("experiments.metrics.checker_data"), pictures)}
    torch.manual_seed(plan.seed)
    checker = Checker(width).to(memory_format=torch.channels_last)
    average = copy.deepcopy(checker).eval()
    checkpoint = store("checker", f"{fingerprint(made, plan, width)[:16]}.pt")
    curve, seconds = _followed(fit(checker, average, objective(checker, images, wanted, plan.batch), plan, checkpoint),
                               max(1, plan.steps // 50))
    scores = {name: estimate._asdict() for name, estimate in measure(average, held_out).items()}
    record = {
        "recipe": "checker", "mirrors": "GenEval's detector; Inception-v3 as the feature network of FID",
        "objective": "detection of solids (CenterNet)", "parameters": sum(p.numel() for p in average.parameters()),
        "images_seen": plan.steps * plan.batch, "images_budget": plan.images, "seconds_spent": round(seconds, 1),
        "device": "cpu", "dtype": str(fast_dtype("cpu")).removeprefix("torch."), "seed": plan.seed, "curve": curve,
        "evaluations": [[plan.steps * plan.batch, {k: v["value"] for k, v in scores.items()}]],
        "expected": EXPECTED, "scores": scores, **made,
        "versions": {name: version(name) for name in ("torch", "numpy")},
    }
    with atomic_folder(folder) as scratch:
        save(average, scratch)
        write_json(scratch / "training.json", record)
    return record


def _followed(run: Iterable[Progress], every: int) -> tuple[list[list[float]], float]:
    """Go through a run; its curve ([pictures, mean loss] every so many steps) and its seconds."""
    curve, recent, seconds = [], [], 0.0
    for progress in run:
        recent.append(progress.loss)
        seconds = progress.seconds
        if progress.step % every == 0:
            curve.append([progress.images, round(float(np.mean(recent)), 4)])
            recent.clear()
    return curve, seconds


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
