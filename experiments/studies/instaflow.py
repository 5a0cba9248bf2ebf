"""From mini-sd1.5 to one step: what every stage costs, how good it is at how many steps, and how straight its roads are.

Stages: the teacher with and without guidance, its 2-rectified flow, InstaFlow's student of that, the same student taught
by mini-sd1.5 itself (`training.direct`), and rectified diffusion. Each but the teacher is trained three times, on plans far
below its row's budget (`training.beside`); a seed is that of a training and of the noise that its model draws from.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from experiments.artefacts import atomic_write
from experiments.data.dataset import images
from experiments.data.prompts import CATEGORIES, Prompt, prompts
from experiments.metrics.alignment import evaluate
from experiments.metrics.checker import load as checker
from experiments.metrics.clip_score import Clip, clip_scores
from experiments.metrics.features import extract, network
from experiments.metrics.kernel import kid
from experiments.models import zoo
from experiments.models.recipes import RECIPES, Recipe
from experiments.sampling.generate import generate
from experiments.sampling.roads import Road, bends, road, sampled_by
from experiments.studies.study import FOLDER, Study
from experiments.training import beside, direct, pairs


class Stage(NamedTuple):
    """A model, how it is sampled and guided, and the numbers of steps that it is asked for."""

    model: str
    sampler: str
    guidance: float
    steps: tuple[int, ...]


MANY, FEW = (1, 2, 4, 25), (1, 2, 4)
STAGES = {
    "diffusion, guided": Stage("mini-sd1.5", "DPM-Solver++", 4.0, MANY),
    "diffusion": Stage("mini-sd1.5", "DDIM", 1.0, MANY),
    "2-rectified flow": Stage("mini-2-rectified-flow", "Euler", 1.0, MANY),
    "InstaFlow": Stage("mini-instaflow", "Euler", 1.0, FEW),
    "without reflow": Stage(direct.NAME, "Euler", 1.0, FEW),
    "rectified diffusion": Stage("mini-rectified-diffusion", "DDIM", 1.0, MANY),
}
IMAGES = {  # of training
    "mini-2-rectified-flow": direct.REFLOWED,
    "mini-instaflow": direct.DISTILLED,
    "mini-rectified-diffusion": direct.REFLOWED,
    direct.NAME: direct.IMAGES,
}
SEEDS = (0, 1, 2)
EACH = 56  # prompts of each category
COMPARED = 1500  # renders that KID is taken against
ROADS = ("diffusion, guided", "diffusion", "2-rectified flow", "rectified diffusion")
FINE, FOLLOWED = 25, 8  # steps of a road, and prompts of each category
TAUGHT = ("2-rectified flow", "rectified diffusion", "InstaFlow", "without reflow")  # asked for one step, and their teachers for all
SHOWN = (("diffusion, guided", 25), ("diffusion, guided", 1), ("2-rectified flow", 1), ("InstaFlow", 1), ("without reflow", 1),
         ("rectified diffusion", 1), ("rectified diffusion", 4))  # rows of the sheet  # fmt: skip
SHEET = FOLDER / "instaflow-sheet.png"


def row(model: str) -> Recipe:
    return direct.recipe() if model == direct.NAME else RECIPES[model]


def folder(model: str, seed: int) -> Path:
    """Where a model lies that was trained with `seed`, after its training where it has to be; the teacher is there once."""
    if model not in IMAGES:
        return zoo.WEIGHTS / model
    return beside.train(replace(row(model), seed=seed), IMAGES[model], above(model, seed))


def above(model: str, seed: int) -> Path:
    """Where the teacher of a model trained with `seed` lies: InstaFlow's is the flow of the same seed."""
    return folder("mini-2-rectified-flow", seed).parent if model == "mini-instaflow" else zoo.WEIGHTS


def pipeline(name: str, seed: int) -> Any:
    """The pipeline of a stage trained with `seed`, with its sampler."""
    stage = STAGES[name]
    return sampled_by(zoo.load(str(folder(stage.model, seed))), stage.sampler)


def wishes(each: int) -> list[Prompt]:
    """`each` prompts of every category, for reporting."""
    return [p for category in CATEGORIES for p in prompts("test", category, each)]


def columns() -> list[Prompt]:
    """The prompts of the sheet, one of each category (tune split)."""
    return [prompts("tune", category, 1)[0] for category in CATEGORIES]


@cache
def shared() -> SimpleNamespace:
    """What judges all stages."""
    seen, reader = network("scenes"), checker()
    renders = torch.from_numpy(np.array(images("validation", 0, COMPARED)))
    return SimpleNamespace(seen=seen, checker=reader, clip=Clip(), against=extract(renders, seen))


def digits(truths: list[bool]) -> str:
    """Truths as a string of 1 and 0."""
    return "".join("01"[t] for t in truths)


def drawn(name: str, steps: int, seed: int) -> dict[str, Any]:
    """A stage at a number of steps: which pictures are right, in the order of `wishes`, KID, CLIP score and seconds a picture."""
    own, stage = shared(), STAGES[name]
    asked = wishes(EACH)
    pipe, begun = pipeline(name, seed), time.monotonic()
    pictures = generate(pipe, asked, seed, 42, num_inference_steps=steps, guidance_scale=stage.guidance)
    seconds = (time.monotonic() - begun) / len(asked)
    scores = clip_scores(pictures, [p.text for p in asked], own.clip).values
    return {
        "n": len(asked),
        "right": digits([v.ok for v in evaluate(asked, pictures, own.checker)]),
        "kid": round(kid(extract(pictures, own.seen), own.against), 6),
        "clip": round(float(scores.mean()), 3),
        "seconds": round(seconds, 4),
    }


def roads(name: str) -> dict[str, Any]:
    """Trajectories of a stage in FINE steps, one value each: bends, squared distance that is travelled, and how far from their
    ends one, two and four steps arrive (relative)."""
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        pipe = pipeline(name, seed)
        fine = _road(pipe, name, FINE, seed)
        held = bends(fine) | {"cost": (fine.states[0] - fine.states[-1]).flatten(1).square().mean(1)}
        for n in FEW:
            gap = (_road(pipe, name, n, seed).states[-1] - fine.states[-1]).flatten(1).norm(dim=1)
            held[f"gap at {n}"] = gap / fine.states[-1].flatten(1).norm(dim=1)
        for key, values in held.items():
            found.setdefault(key, []).extend(round(float(v), 5) for v in values)
    return found


def _road(pipe: Any, name: str, steps: int, seed: int) -> Road:
    return road(pipe, wishes(FOLLOWED), seed, num_inference_steps=steps, guidance_scale=STAGES[name].guidance)


def taught(name: str) -> dict[str, Any]:
    """How well one step of a student is what its teacher makes of noise that neither was trained on: squared errors of its
    codes, one for each seed and prompt, and the variance of the teacher's codes (mean over seeds)."""
    model, asked = STAGES[name].model, wishes(FOLLOWED)
    found = [missed(pipeline(name, seed), row(model), asked, (seed,), above(model, seed)) for seed in SEEDS]
    return {"errors": [e for one in found for e in one["errors"]], "variance": round(sum(one["variance"] for one in found) / len(SEEDS), 5)}


def missed(student: Any, recipe: Recipe, asked: list[Prompt], seeds: tuple[int, ...], weights: Path | None = None) -> dict[str, Any]:
    """The same of a student trained as `recipe` says by a teacher in `weights`, which draws as it drew the pairs."""
    settings = recipe.config["pairs"]
    teacher = pairs.teacher((weights or zoo.WEIGHTS) / settings["teacher"], settings.get("solver"), torch.device("cpu"))
    errors, ends = [], []
    for seed in seeds:
        wanted = road(teacher, asked, seed, **settings["call"]).states[-1]
        got = road(student, asked, seed, num_inference_steps=1, guidance_scale=1.0).states[-1]
        errors += [round(float(e), 5) for e in (got - wanted).flatten(1).square().mean(1)]
        ends.append(wanted)
    return {"errors": errors, "variance": round(float(torch.cat(ends).var(0).mean()), 5)}


def trained(name: str) -> dict[str, Any]:
    """What the first training of a stage cost, and its loss on the way."""
    place = folder(STAGES[name].model, SEEDS[0])
    record = json.loads((place / "training.json").read_text(encoding="utf-8"))
    kept = ("images_seen", "images_budget", "seconds_spent", "device", "dtype", "curve")
    return {key: record[key] for key in kept} | {"pairs": record.get("pairs"), "weights": zoo.weights_hash(place)}


def sheet() -> dict[str, Any]:
    """Draw the sheet: a row for each of SHOWN, a column for each of `columns`, from the same noise."""
    rows, right, asked = [], [], columns()
    for name, steps in SHOWN:
        pictures = generate(pipeline(name, SEEDS[0]), asked, SEEDS[0], num_inference_steps=steps, guidance_scale=STAGES[name].guidance)
        rows.append(torch.cat(list(pictures), 2))
        right.append(digits([v.ok for v in evaluate(asked, pictures, shared().checker)]))
    with atomic_write(SHEET) as handle:
        Image.fromarray(torch.cat(rows, 1).permute(1, 2, 0).numpy()).save(handle, "PNG", optimize=True)
    return {"prompts": [p.text for p in asked], "rows": [list(row) for row in SHOWN], "right": right}


def measure(what: str, *of: Any) -> dict[str, Any]:
    """One part, by the name of the function that measures it."""
    return {"drawn": drawn, "roads": roads, "taught": taught, "trained": trained, "sheet": sheet}[what](*of)


def listed() -> list[tuple[Any, ...]]:
    """The parts: one seed of everything first, and last whatever waits for the arm without reflow to be trained."""
    points = [("drawn", name, steps, seed) for seed in SEEDS for name, stage in STAGES.items() for steps in stage.steps]
    first = len(points) // len(SEEDS)
    rest = [*(("roads", name) for name in ROADS), *(("taught", name) for name in TAUGHT)]
    rest += [("trained", name) for name in STAGES if name != "diffusion"]
    return sorted([*points[:first], *rest, *points[first:], ("sheet",)], key=lambda part: "without reflow" in part or part == ("sheet",))


STUDY = Study(
    "instaflow",
    parts=listed,
    measure=measure,
    made_by=(
        "experiments.studies.instaflow", "experiments.training.denoising", "experiments.training.pairs", "experiments.training.loop",
        "experiments.sampling.generate", "experiments.sampling.roads", "experiments.metrics.alignment",
        "experiments.metrics.kernel", "experiments.metrics.features", "experiments.metrics.clip_score",
    ),
    needs=("mini-sd1.5", "checker", "clip-eval"),
)  # fmt: skip
STUDIES = (STUDY,)
