"""What SDXL's denoiser is told and asked: as `objective.loss`, with the sizes of each picture beside its caption."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import StableDiffusionXLPipeline

from experiments.training import paths
from experiments.training.objective import FORGET, attention


def loss(pipe: StableDiffusionXLPipeline, objective: str, codes, tokens: Sequence[torch.Tensor], batch: int):
    """The loss of one step. codes: mean and deviation [N,C,h,w] of q(z|x) and sizes [N,6]; tokens: ids [N,S,L] of the captions
    by either tokenizer, since the two number some words differently."""
    unet, device = pipe.unet, pipe.unet.device
    draw = paths.variance_preserving(pipe.scheduler.alphas_cumprod)
    mean, deviation, sizes = codes

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.randint(len(mean), (batch,), generator=generator)
        style = torch.randint(tokens[0].shape[1], (batch,), generator=generator)
        kept = torch.rand(batch, 1, generator=generator) >= FORGET
        x0 = mean[at] + deviation[at] * torch.randn(mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        wanted = paths.target(objective, x0, eps, time.a, time.s)
        x = (time.a * x0 + time.s * eps).to(device)
        words, pooled = told(pipe, [ids[at, style].to(device) for ids in tokens], kept.to(device))
        with attention(device):
            said = unet(x, time.timestep.to(device), words, added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes[at].to(device)}).sample
        return (said.float() - wanted.to(device)).square().mean()

    return of_step


@torch.no_grad()
def told(pipe: StableDiffusionXLPipeline, ids: Sequence[torch.Tensor], kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the ids [B,L] of either tokenizer: penultimate states of both towers side by side [B,L,D1+D2] and the second one's sentence vector [B,P]; zeros, as the
    pipeline's empty prompt, where `kept` [B,1] is false."""
    towers = (pipe.text_encoder, pipe.text_encoder_2)
    first, second = (tower(own, output_hidden_states=True) for tower, own in zip(towers, ids, strict=True))
    words = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
    return words * kept[..., None], second.text_embeds * kept
