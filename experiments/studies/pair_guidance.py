"""Guidance while pairs are drawn: 2-rectified flows of mini-sd1.5 that differ in nothing but the weight their pairs were drawn with.

Each is trained on as many pairs for as many images, three times with other seeds of training, and is never guided itself.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from experiments.metrics.alignment import evaluate
from experiments.metrics.guidance_cells import by
from experiments.metrics.table import see
from experiments.models import zoo
from experiments.models.recipes import RECIPES, Recipe
from experiments.sampling.generate import generate
from experiments.sampling.roads import sampled_by
from experiments.studies.instaflow import digits, missed, wishes
from experiments.studies.study import Study
from experiments.training import beside

ROW, WEIGHTS_DRAWN, SEEDS = RECIPES["mini-2-rectified-flow"], (1.0, 2.0, 4.0, 8.0), (0, 1, 2)
IMAGES, STEPS, EACH, FOLLOWED = 8_000, (1, 4), 56, 8  # FOLLOWED: prompts of each category whose ends are compared


def recipe(w: float, seed: int) -> Recipe:
    """The row of the 2-rectified flow with pairs drawn at weight w."""
    drawn = dict(ROW.config["pairs"]) | dict(call=dict(ROW.config["pairs"]["call"]) | dict(guidance_scale=w))
    return dataclasses.replace(ROW, name=f"pairs-at-{w:g}", config=dict(ROW.config) | dict(pairs=drawn), seed=seed)


def measure(w: float, seed: int) -> dict[str, Any]:
    """Right pictures and CLIP score by number of steps; how far one step is from the teacher's own picture, against their variance."""
    row = recipe(w, seed)
    pipe = sampled_by(zoo.load(str(beside.train(row, IMAGES))), "Euler")
    asked, found = wishes(EACH), {}
    for steps in STEPS:
        pictures = generate(pipe, asked, seed, 42, num_inference_steps=steps, guidance_scale=1.0)
        marks = [verdict.ok for verdict in evaluate(asked, pictures)]
        found[str(steps)] = {"right": digits(marks), "clip": round(float(see(pictures, [p.text for p in asked], by()).clip.mean()), 4)}
    return found | missed(pipe, row, wishes(FOLLOWED), (seed,))


STUDY = Study(
    "pair-guidance",
    parts=lambda: [(w, seed) for seed in SEEDS for w in WEIGHTS_DRAWN],
    measure=measure,
    made_by=(
        "experiments.studies.pair_guidance", "experiments.training.denoising", "experiments.training.pairs", "experiments.training.loop",
        "experiments.sampling.generate", "experiments.sampling.roads", "experiments.metrics.alignment", "experiments.metrics.guidance_cells",
    ),  # fmt: skip
    needs=("mini-sd1.5", "checker", "clip-eval"),
)
STUDIES = (STUDY,)
