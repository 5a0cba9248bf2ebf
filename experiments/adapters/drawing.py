"""From prompts and a second condition to pictures: each prompt with its own map or reference picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from experiments.data.captions import caption
from experiments.data.prompts import Prompt, Requirement, Wanted
from experiments.data.scenes import Scene
from experiments.sampling.generate import BATCH, generator

STEPS, GUIDANCE = 10, 4.0  # fewer steps than the base's own 20: what is compared here is compared at the same number


@torch.inference_mode()
def draw(
    pipe: DiffusionPipeline,
    prompts: Sequence[Prompt],
    seed: int = 0,
    beside: Mapping[str, Any] | None = None,
    batch: int = BATCH,
    num_inference_steps: int = STEPS,
    guidance_scale: float = GUIDANCE,
    **call: Any,
) -> Tensor:
    """Pictures of `prompts`, uint8 [N,3,H,W]; `beside` holds arguments of the call that have one entry a prompt."""
    drawn = []
    for start in range(0, len(prompts), batch):
        group = prompts[start : start + batch]
        own = {name: values[start : start + batch] for name, values in (beside or {}).items()}
        noise = [generator(p.id, seed) for p in group]
        given = dict(num_inference_steps=num_inference_steps, guidance_scale=guidance_scale, output_type="pt") | call | own
        found = torch.as_tensor(pipe(prompt=[p.text for p in group], generator=noise, **given).images)
        found = found.permute(0, 3, 1, 2) if found.shape[-1] == 3 else found  # T2I-Adapter's pipeline has the channels last
        if not found.isfinite().all():
            raise FloatingPointError(f"pictures of {group[0].id} and the prompts after it are not finite: use float32 for the decoder")
        drawn.append((found.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu())
    return torch.cat(drawn)


def wish(scene: Scene, name: str) -> Prompt:
    """The prompt that names colour and shape of a scene's solids (caption style 2); `name` seeds its noise."""
    wanted = Requirement(tuple(Wanted(solid.shape, solid.colour) for solid in scene.solids))
    return Prompt(name, "colour attribution", caption(scene, "en", 2), wanted)


def picture(pictures: Tensor) -> Tensor:
    """uint8 pictures as pipelines take maps: floats in [0,1]."""
    return pictures.float() / 255
