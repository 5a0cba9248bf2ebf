"""What mini-sdxl draws when it is told another size or another cut than the whole picture's (arXiv:2307.01952, section 2.2)."""

from __future__ import annotations

from typing import Any

import torch

from experiments.data.prompts import prompts
from experiments.metrics.alignment import evaluate
from experiments.metrics.checker import detect
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.study import Study

MEMBER = "mini-sdxl"
ASKED = {
    "whole": {},
    "original 16": dict(original_size=(16, 16)),
    "original 32": dict(original_size=(32, 32)),
    "cut at the left": dict(crops_coords_top_left=(16, 32)),  # the window is the right part, so solids stand further left
    "cut at the right": dict(crops_coords_top_left=(16, 0)),
}
CATEGORIES = ("single object", "colours")
PROMPTS, SEEDS = 28, (0, 1, 2)


def wanted() -> list:
    return [p for category in CATEGORIES for p in prompts("test", category, PROMPTS)]


def measure(asked: str, seed: int) -> dict[str, Any]:
    """For each prompt: roughness of the picture, whether it shows what was asked, and the mean column of its solids (pixels)."""
    pictures = generate(zoo.load(MEMBER), wanted(), seed, **zoo.defaults(MEMBER), **ASKED[asked])
    columns = [[d.column for d in found] for found in detect(pictures)]
    return {
        "roughness": [round(float(r), 3) for r in roughness(pictures)],
        "right": "".join("01"[v.ok] for v in evaluate(wanted(), pictures)),
        "column": [round(sum(c) / len(c), 2) if c else None for c in columns],
    }


def roughness(pictures: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels of uint8 pictures [N,3,H,W], in levels of 255: small where it is blurred."""
    x = pictures.float()
    return ((x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3)) + (x[..., 1:, :] - x[..., :-1, :]).abs().mean((1, 2, 3))) / 2


STUDIES = (
    Study(
        "stable-diffusion-sizes",
        parts=lambda: [(asked, seed) for seed in SEEDS for asked in ASKED],
        measure=measure,
        made_by=("experiments.metrics.alignment", "experiments.sampling.generate", "experiments.data.prompts"),
        needs=(MEMBER, "checker"),
        settings=dict(asked={name: str(said) for name, said in ASKED.items()}, categories=CATEGORIES, prompts=PROMPTS, seeds=SEEDS),
    ),
)
