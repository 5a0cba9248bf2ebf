"""FLUX's miniatures: the teacher that guides by two passes, the one that is told its guidance, and the one of few steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from experiments.data.prompts import Prompt
from experiments.metrics.guidance_cells import measure
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.study import Study

TEACHER, DEV, SCHNELL = "mini-flux1-teacher", "mini-flux1-dev", "mini-flux1-schnell"
W, STEPS = 4.0, 20
PROMPTS, SEEDS = 56, (0, 1, 2)  # of each category: 1008 pictures of each setting
PARTS = {  # guidance and steps, most wanted first
    TEACHER: ((W, STEPS), (W, 4), (1.0, STEPS), (W, 8), (W, 2)),
    DEV: ((W, STEPS), (W, 4), (1.0, STEPS), (8.0, STEPS), (W, 8), (2.0, STEPS)),
    SCHNELL: ((0.0, 4), (0.0, 1), (0.0, 2)),
}


def drawn(name: str, w: float, steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """Pictures, uint8 [N,3,H,W], and how often the denoiser was asked for each: twice a step where guidance takes two passes."""
    pipe, told = zoo.load(name), "true_cfg_scale" if name == TEACHER else "guidance_scale"
    asked = 0

    def count(_: torch.nn.Module, args: tuple, named: dict[str, Any]) -> None:
        nonlocal asked
        asked += len(named["hidden_states"])

    hook = pipe.transformer.register_forward_pre_hook(count, with_kwargs=True)
    pictures = generate(pipe, wanted, seed, **zoo.defaults(name) | {told: w, "num_inference_steps": steps})
    hook.remove()
    return pictures, asked // len(wanted)


def _study(name: str) -> Study:
    return Study(
        f"flux-{name.rpartition('-')[2]}",
        lambda: PARTS[name],
        lambda w, steps: measure(partial(drawn, name, w, steps), PROMPTS, SEEDS),
        ("experiments.studies.flux", "experiments.metrics.guidance_cells", "experiments.sampling.generate"),
        (name, "checker", "clip-eval"),
        {"per category": PROMPTS, "seeds": SEEDS},
    )


STUDIES = tuple(map(_study, PARTS))
