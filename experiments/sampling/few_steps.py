"""Models of Stable Diffusion's class, opened so that they can be asked for a picture in any small number of steps."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline

from experiments.models import hub, zoo
from experiments.models.pipelines.insta_flow import InstaFlowPipeline
from experiments.models.systems import SYSTEMS, find
from experiments.sampling.roads import sampled_by


def opened(name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> tuple[DiffusionPipeline, dict[str, Any]]:
    """The pipeline of a shipped miniature, a folder, a hub id or a row of `systems`, and the size that its call takes.

    A flow is followed by Euler's rule, anything else by DPM-Solver++; both start at the noisiest level. The released InstaFlow, whose
    own pipeline takes no noise, gets Stable Diffusion's around the same parts. Raises ValueError for what has no U-Net.
    """
    if name in SYSTEMS:
        row = find(name)
        pipe, call = hub.load(hub.fetch(row), dtype).to(device), dict(height=row.resolution, width=row.resolution)
    else:
        pipe, call = zoo.load(name, device, dtype), {}
    if not isinstance(pipe, StableDiffusionPipeline):
        raise ValueError(f"{name} is a {type(pipe).__name__}: choose a model of Stable Diffusion 1's class, such as sd1.5 or instaflow")
    flow = isinstance(pipe, InstaFlowPipeline) or pipe.scheduler.config.get("use_flow_sigmas", False)
    if isinstance(pipe, InstaFlowPipeline):
        pipe = StableDiffusionPipeline(**pipe.components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        for weight in pipe.unet.conv_out.parameters():
            weight.data.neg_()  # the release says the velocity towards the picture, a scheduler of flows wants it towards noise
    return sampled_by(pipe, "Euler" if flow else "DPM-Solver++"), call
