"""What the diffusion prior is trained on: CLIP's picture embedding, noised, from the text (Ramesh et al. 2022, arXiv:2204.06125)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import PriorTransformer

from experiments.training import paths
from experiments.training.objective import FORGET

Read = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]  # ids to sentence, states and mask


def reader(tower, end: int) -> Read:
    """What the prior hears of token ids [B,L], as `KandinskyPriorPipeline` makes it: sentence [B,D], states, mask to the end mark."""

    @torch.no_grad()
    def read(ids: torch.Tensor):
        said = tower(ids)
        ended = (ids == end).cumsum(1)
        return said.text_embeds, said.last_hidden_state, (ended - (ids == end).long()) == 0

    return read


def loss(
    model: PriorTransformer,
    read: Read,
    alphas_cumprod: torch.Tensor,
    pictures: torch.Tensor,
    ids: torch.Tensor,
    nothing: torch.Tensor,
    batch: int,
):
    """The loss of one step: squared error of the embedding itself. pictures: standardised embeddings [N,D]; ids [N,S,L]."""
    draw = paths.variance_preserving(alphas_cumprod)

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at, style = torch.randint(len(ids), (batch,), generator=generator), torch.randint(ids.shape[1], (batch,), generator=generator)
        forget = torch.rand(batch, 1, generator=generator) < FORGET
        x0, time = pictures[at], draw(batch, generator)
        x = time.a.flatten(1) * x0 + time.s.flatten(1) * torch.randn(x0.shape, generator=generator)
        sentence, states, mask = read(torch.where(forget, nothing, ids[at, style]).to(model.device))
        said = model(x.to(model.device), time.timestep.to(model.device), sentence, states, mask).predicted_image_embedding
        return (said.float() - x0.to(model.device)).square().mean()

    return of_step
