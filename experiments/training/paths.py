"""Paths from data to noise and what a network is asked to predict on them.

Every path is x_t = a x0 + s eps with eps ~ N(0, I); time runs from t = 0 (data, a = 1, s = 0) to t = 1 (noise). All that
follows is elementwise: a and s are tensors that broadcast against x0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Draw:
    """Times of a batch: what the network is told [B], and the path's coefficients [B,1,1,1] there."""

    timestep: torch.Tensor
    a: torch.Tensor
    s: torch.Tensor


def variance_preserving(alphas_cumprod: torch.Tensor) -> Callable[[int, torch.Generator], Draw]:
    """DDPM's discrete path (Ho et al. 2020, eq. 4): a = sqrt(alpha bar_k), s = sqrt(1 - alpha bar_k), k uniform."""

    def draw(n: int, generator: torch.Generator) -> Draw:
        k = torch.randint(len(alphas_cumprod), (n,), generator=generator)
        kept = alphas_cumprod[k].view(-1, 1, 1, 1)
        return Draw(k, kept.sqrt(), (1 - kept).sqrt())

    return draw


def straight(mean: float = 0.0, deviation: float = 1.0) -> Callable[[int, torch.Generator], Draw]:
    """Rectified flow's path a = 1 - t, s = t, with logit-normal times (Esser et al. 2024, arXiv:2403.03206, eq. 19)."""

    def draw(n: int, generator: torch.Generator) -> Draw:
        t = torch.sigmoid(mean + deviation * torch.randn(n, generator=generator))
        at = t.view(-1, 1, 1, 1)
        return Draw(1000 * t, 1 - at, at)

    return draw


def target(objective: str, x0: torch.Tensor, eps: torch.Tensor, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """What the network should say at x_t = a x0 + s eps.

    epsilon: the noise. sample: the data. velocity: a eps - s x0 (Salimans & Ho 2022, arXiv:2202.00512, the derivative by the
    angle of a variance-preserving path). flow: eps - x0 (Liu et al. 2022, arXiv:2209.03003, the derivative by t of the straight path).
    """
    match objective:
        case "epsilon":
            return eps
        case "sample":
            return x0
        case "velocity":
            return a * eps - s * x0
        case "flow":
            return eps - x0
    raise ValueError(f"objective {objective!r} is not one of epsilon, sample, velocity, flow")
