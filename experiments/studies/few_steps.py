"""Models of few steps that cost as much to make, by the same judges: InstaFlow, the student without reflow, consistency, rectified diffusion.

Each is trained three times; a seed is that of a training and of the noise that its model draws from.

Cost is counted in passes of the U-Net: a training image is three (forward, and twice that backward), a pair as many as it was drawn
in. Consistency distillation has no pairs; each of its images takes two more of the teacher and one of the student's average.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from experiments.data.prompts import Prompt
from experiments.metrics.guidance_cells import measure
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.instaflow import folder
from experiments.studies.study import Study
from experiments.training import consistency, direct
from experiments.training.text_to_image import SHOWINGS

PROMPTS, SEEDS, STEPS = 56, (0, 1, 2), (1, 2, 4)  # PROMPTS of each category: 1008 pictures of each setting
_DRAWN = direct.recipe().config["pairs"]["call"]
PASSES = 3 * direct.IMAGES + 2 * _DRAWN["num_inference_steps"] * (direct.IMAGES // SHOWINGS)  # of the student without reflow; its pairs are guided
IMAGES = PASSES // 6  # of consistency distillation
STUDENTS: dict[str, Callable[[int], Path]] = {  # where each lies by its seed
    "InstaFlow": partial(folder, "mini-instaflow"),
    "without reflow": partial(folder, direct.NAME),
    "consistency": partial(consistency.train, IMAGES),
    "rectified diffusion": partial(folder, "mini-rectified-diffusion"),
}


def drawn(name: str, steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """Pictures, uint8 [N,3,H,W], one evaluation of the U-Net for each step, by the scheduler that the student ships with."""
    pipe = zoo.load(str(STUDENTS[name](seed)))
    return generate(pipe, wanted, seed, 42, num_inference_steps=steps, guidance_scale=1.0), steps


STUDY = Study(
    "few-steps",
    parts=lambda: [(name, steps) for steps in STEPS for name in STUDENTS],
    measure=lambda name, steps: measure(partial(drawn, name, steps), PROMPTS, SEEDS),
    made_by=(
        "experiments.studies.few_steps", "experiments.metrics.guidance_cells", "experiments.sampling.generate",
        "experiments.training.consistency_loss", "experiments.training.denoising", "experiments.training.pairs", "experiments.training.loop",
    ),  # fmt: skip
    needs=("mini-sd1.5", "checker", "clip-eval"),
)
STUDIES = (STUDY,)
