"""The road from noise to picture: what a denoiser sees on the way, how bent that is, and samplers for few steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import diffusers
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from experiments.data.prompts import Prompt
from experiments.sampling.generate import generator
from experiments.sampling.straightness import straightness, turning

SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {  # what is put in place of a pipeline's own scheduler: class and options
    "DDIM": ("DDIMScheduler", dict(clip_sample=False, timestep_spacing="trailing")),
    "DPM-Solver++": ("DPMSolverMultistepScheduler", dict(timestep_spacing="trailing", final_sigmas_type="zero")),
    "Euler": (  # along a learned velocity: the solver's first order on the straight path
        "DPMSolverMultistepScheduler",
        dict(use_flow_sigmas=True, flow_shift=1.0, prediction_type="flow_prediction", solver_order=1, final_sigmas_type="zero"),
    ),
}


class Road(NamedTuple):
    """States [K+1,B,C,h,w] from noise to picture, the level (a, s) of each, and whether the path a x_0 + s eps is a circle."""

    states: Tensor
    levels: list[tuple[float, float]]
    curved: bool


def sampled_by(pipe: DiffusionPipeline, sampler: str) -> DiffusionPipeline:
    """`pipe` with one of SAMPLERS. They start at the noisiest level, however few their steps."""
    if sampler not in SAMPLERS:
        raise ValueError(f"no sampler {sampler!r}: choose one of {', '.join(SAMPLERS)}")
    name, options = SAMPLERS[sampler]
    pipe.scheduler = getattr(diffusers, name).from_config(dict(pipe.scheduler.config), **options)
    return pipe


def noises(pipe: DiffusionPipeline, wanted: Sequence[Prompt], seed: int, side: int | None = None) -> Tensor:
    """The noise that `generate` would give each prompt, [B,C,h,w]; `side` is that of the code, where it is not the U-Net's own."""
    side = side or pipe.unet.config.sample_size
    shape = (pipe.unet.config.in_channels, side, side)
    return torch.stack([torch.randn(shape, generator=generator(p.id, seed)) for p in wanted])


@torch.inference_mode()
def road(pipe: DiffusionPipeline, wanted: Sequence[Prompt], seed: int = 0, **call: Any) -> Road:
    """The road that a pipeline of Stable Diffusion's class takes from the noise of each prompt; `call` are its arguments."""
    start = noises(pipe, wanted, seed, call["height"] // pipe.vae_scale_factor if "height" in call else None)
    states = [start]

    def keep(_, step: int, time: Tensor, held: dict[str, Tensor]) -> dict[str, Tensor]:
        states.append(held["latents"].float().cpu().clone())
        return held

    latents = start.to(pipe.device, pipe.unet.dtype)
    pipe(prompt=[p.text for p in wanted], latents=latents, output_type="latent", callback_on_step_end=keep, **call)
    return Road(torch.stack(states), levels(pipe.scheduler), not pipe.scheduler.config.get("use_flow_sigmas", False))


def levels(scheduler: Any) -> list[tuple[float, float]]:
    """(a, s) of x_t = a x_0 + s eps at every state, for the steps that are set."""
    if scheduler.config.get("use_flow_sigmas", False):
        return [(1 - float(t), float(t)) for t in scheduler.sigmas]
    kept = [float(scheduler.alphas_cumprod[int(t)]) for t in scheduler.timesteps]
    kept.append(float(getattr(scheduler, "final_alpha_cumprod", 1.0)))
    return [(k**0.5, (1 - k) ** 0.5) for k in kept]


def bends(of: Road) -> dict[str, Tensor]:
    """Straightness and turning (degrees) of each trajectory [B].

    "own": in the coordinates of the path, whose time is the angle where it is a circle. "straightened": divided by a + s,
    with s/(a + s) as time, where a trajectory is a straight line exactly if the same noise and picture are predicted all along.
    """
    pairs = torch.tensor(of.levels)
    total = pairs.sum(1)
    time = torch.atan2(pairs[:, 1], pairs[:, 0]) / (torch.pi / 2) if of.curved else pairs[:, 1] / total
    lines = of.states / total.view(-1, 1, 1, 1, 1)
    seen = {"own": (of.states, time), "straightened": (lines, pairs[:, 1] / total)}
    found = {f"straightness, {k}": straightness(x, t.tolist()) for k, (x, t) in seen.items()}
    return found | {f"turning, {k}": turning(x) for k, (x, _) in seen.items()}
