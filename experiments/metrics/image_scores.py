"""Attention injection in numbers: likeness to a reference picture, and obedience to the prompt beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.adapters import image_prompt as adapter
from experiments.adapters.drawing import GUIDANCE, draw, wish
from experiments.data.prompts import Prompt, Requirement
from experiments.data.render import GROUND
from experiments.data.scenes import FLOORS
from experiments.metrics.alignment import evaluate
from experiments.metrics.held_out import held_out, truth
from experiments.metrics.intervals import Estimate, bootstrap, wilson
from experiments.models import zoo
from experiments.sampling.generate import BATCH

RIM = 5  # rows of the picture that show the floor


def judge_tower():
    """The vision tower of the CLIP pair that judges; the adapter was trained with another one."""
    return adapter.vision_tower(zoo.WEIGHTS / "clip-eval")


def likeness(pictures: Tensor, references: Tensor) -> np.ndarray:
    """Cosine of the judge's embeddings of each picture and its reference (CLIP-I)."""
    a, b = (torch.nn.functional.normalize(adapter.embed(judge_tower(), p), dim=1) for p in (pictures, references))
    return (a * b).sum(1).numpy()


def floor(pictures: Tensor) -> list[str]:
    """The floor's name by the hue of the lowest rows, where few solids reach."""
    mean = pictures[:, :, -RIM:].float().median(3).values.mean(2)
    near = torch.nn.functional.normalize(mean, dim=1) @ torch.nn.functional.normalize(GROUND, dim=1).T
    return [FLOORS[k] for k in near.argmax(1).tolist()]


def with_image(pipe: Any, prompts: Sequence[Prompt], references: Tensor, scale: float, seed: int = 0, **call: Any) -> Tensor:
    """Pictures of prompts with a reference picture each, uint8 [N,3,64,64], whose weight is `scale`."""
    seen = adapter.embed(adapter.encoder(), references)[:, None]
    pipe.set_ip_adapter_scale(scale)
    drawn = []
    for k in range(0, len(prompts), BATCH):  # the pipeline takes the empty image's embedding before the picture's
        part = seen[k : k + BATCH]
        both = torch.cat([torch.zeros_like(part), part]) if call.get("guidance_scale", GUIDANCE) > 1 else part
        pipe.prepare_ip_adapter_image_embeds = lambda *given, both=both, **options: [both]  # its own gives one picture to all prompts
        drawn.append(draw(pipe, prompts[k : k + BATCH], seed, ip_adapter_image_embeds=[both], **call))
        del pipe.prepare_ip_adapter_image_embeds
    return torch.cat(drawn)


def image_prompt(thing: Any, thorough: bool) -> dict[str, Estimate]:
    """Scores of an IP-Adapter: likeness to the picture without words, and the prompt where picture and words agree."""
    wanted = held_out("test" if thorough else "validation", 50 if thorough else 20)
    references = truth(wanted).image
    silent = [Prompt(f"image/{k:03d}", "single object", "", Requirement(())) for k in range(len(wanted))]
    alone = with_image(thing, silent, references, 1.0)
    told = with_image(thing, [wish(scene, f"image/{k:03d}") for k, scene in enumerate(wanted)], references, 1.0)
    right = [v.ok for v in evaluate([wish(scene, "") for scene in wanted], told)]
    floors = [a == scene.floor for a, scene in zip(floor(alone), wanted)]
    return {
        "likeness": bootstrap(likeness(alone, references)),
        "floor": wilson(sum(floors), len(floors)),
        "prompt": wilson(sum(right), len(right)),
    }
