"""What the classifier of latents is trained on: codes with noise of every level, and what their scenes show."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.models.latent_classifier import LatentClassifier
from experiments.training.paths import Draw


def loss(model: LatentClassifier, draw, codes: tuple[Tensor, Tensor], answers: tuple[Tensor, Tensor], batch: int):
    """The loss of one step: cross-entropy of the counts plus that of presence, in nats, summed over what is asked.

    draw(n, generator) gives the times; codes: mean and deviation [N,C,h,w]; answers: counts [N,4] and presence [N,32].
    """
    mean, deviation = codes
    device = next(model.parameters()).device

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(mean), (batch,), generator=generator)
        x0 = mean[at] + deviation[at] * torch.randn(mean[at].shape, generator=generator)
        time: Draw = draw(batch, generator)
        x = time.a * x0 + time.s * torch.randn(x0.shape, generator=generator)
        counts, presence = model(x.to(device), time.timestep.to(device))
        of_counts = F.cross_entropy(counts.float().flatten(0, 1), answers[0][at].flatten().to(device), reduction="sum")
        of_presence = F.binary_cross_entropy_with_logits(presence.float(), answers[1][at].to(device), reduction="sum")
        return (of_counts + of_presence) / batch

    return of_step
