"""The pair of towers that learns which caption belongs to which picture (Radford et al. 2021, arXiv:2103.00020)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel

from experiments.training.autoencoder import to_tensor

WARMEST = 4.6052  # ln 100, the paper's bound on the logarithm of the inverse temperature


def loss(model: CLIPModel, images: np.ndarray, tokens: torch.Tensor, batch: int):
    """Symmetric cross-entropy over a batch of pairs (paper, figure 3). images uint8 [N,3,H,W], tokens [N,S,L]."""

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.randperm(len(tokens), generator=generator)[:batch]
        style = torch.randint(tokens.shape[1], (batch,), generator=generator)
        x = to_tensor(images[at.numpy()]).to(model.device)
        model.logit_scale.data.clamp_(max=WARMEST)
        picture, text = embed(model, x, tokens[at, style].to(model.device))
        logits = model.logit_scale.exp() * text.float() @ picture.float().T
        right = torch.arange(batch, device=model.device)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2

    return of_step


def embed(model: CLIPModel, images: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit embeddings [B,D] of pictures (float in [-1,1]) and of token ids [B,L]."""
    picture = model.visual_projection(model.vision_model(pixel_values=images).pooler_output)
    text = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    return F.normalize(picture, dim=1), F.normalize(text, dim=1)


@torch.no_grad()
def retrieval(model: CLIPModel, images: np.ndarray, tokens: torch.Tensor, among: int = 64) -> torch.Tensor:
    """For each caption whether its own picture is the nearest of `among`, bool [N]; N a multiple of `among`.

    images uint8 [N,3,H,W], tokens [N,L]: captions that name every attribute, since others fit several pictures.
    """
    hits = []
    for i in range(0, len(tokens), among):
        picture, text = embed(model, to_tensor(images[i : i + among]).to(model.device), tokens[i : i + among].to(model.device))
        hits.append((text @ picture.T).argmax(1).cpu() == torch.arange(among))
    return torch.cat(hits)
