"""What a denoiser is trained on: noise a code, tell it what the picture shows, ask for the row's target."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from diffusers import DiffusionPipeline
from torch.nn.attention import SDPBackend, sdpa_kernel

from experiments.training import paths
from experiments.training.conditioning import denoiser, predictor

FORGET = 0.1  # share of captions replaced by the empty one, for classifier-free guidance (arXiv:2207.12598, section 3.2)


def loss(pipe: DiffusionPipeline, objective: str, codes, tokens: torch.Tensor, batch: int):
    """The loss of one step. codes: mean and deviation [N,C,h,w] of q(z|x); tokens [N,S,L] of the captions."""
    predict, device = predictor(pipe), denoiser(pipe).device
    draw = paths.straight() if objective == "flow" else paths.variance_preserving(pipe.scheduler.alphas_cumprod)
    mean, deviation = codes
    length = tokens.shape[-1]
    nothing = torch.tensor(pipe.tokenizer("", padding="max_length", max_length=length)["input_ids"])

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.randint(len(mean), (batch,), generator=generator)
        style = torch.randint(tokens.shape[1], (batch,), generator=generator)
        forget = torch.rand(batch, 1, generator=generator) < FORGET
        ids = torch.where(forget, nothing, tokens[at, style])
        x0 = mean[at] + deviation[at] * torch.randn(mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        wanted = paths.target(objective, x0, eps, time.a, time.s)
        x = (time.a * x0 + time.s * eps).to(device)
        with attention(device):
            said = predict(x, time.timestep.to(device), ids.to(device), generator)
        return (said.float() - wanted.to(device)).square().mean()

    return of_step


def attention(device: torch.device):
    """The fastest attention to train with. On a CPU plain matrix products beat the fused kernel, whose backward pass took 44%
    of a U-Net's step (95 -> 140 images a second and core with bfloat16 tiles)."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
