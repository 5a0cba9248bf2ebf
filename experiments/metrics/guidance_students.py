"""Pictures by students that take the weight of guidance as an input: one evaluation a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from experiments.data.prompts import Prompt
from experiments.metrics.guidance_draw import in_batches
from experiments.sampling.guidance_sampler import Guide, Texts
from experiments.sampling.guidance_ways import classifier_free


def draw(student: str, w: float, steps: int, wanted: Sequence[Prompt], seed: int) -> tuple[Tensor, int]:
    """Pictures of a distilled row, told w the way its pipeline tells it."""

    def of_group(pipe: Any, texts: Texts, group: Sequence[Prompt]) -> tuple[Guide, list[Texts]]:
        tell(pipe, texts, w, len(group))
        return classifier_free(1.0), [texts]

    return in_batches(student, of_group, steps, wanted, seed)


def tell(pipe: Any, texts: Texts, w: float, n: int) -> None:
    """Give a student's network the embedding of w, for n pictures."""
    told = torch.full((n,), w - 1.0)
    texts.options["timestep_cond"] = pipe.get_guidance_scale_embedding(told, embedding_dim=pipe.unet.config.time_cond_proj_dim)
