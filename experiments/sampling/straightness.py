"""How straight trajectories are, and what a coupling of noise and data costs (Liu et al. 2022, arXiv:2209.03003)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def straightness(states: Tensor, times: Sequence[float]) -> Tensor:
    """Departure from a straight line at constant speed, one value a trajectory [B], 0 for a straight one.

    The integral over t of ||(x_0 - x_1) - dx/d(1-t)||^2 (section 2.2, S(Z)), divided by ||x_0 - x_1||^2 so that it has no unit.
    states [K+1,B,...] at `times` [K+1] that fall; derivatives are differences of neighbouring states.
    """
    states = states.flatten(2)
    t = torch.as_tensor(times, dtype=states.dtype)
    steps = (t[:-1] - t[1:])[:, None, None]
    speed = (states[1:] - states[:-1]) / steps
    whole = (states[-1] - states[0]) / (t[0] - t[-1])
    gap = ((speed - whole).square() * steps).sum((0, 2)) / (t[0] - t[-1])
    return gap / whole.square().sum(-1).clamp_min(1e-12)


def turning(states: Tensor) -> Tensor:
    """Sum of the angles, in degrees, between neighbouring steps of each trajectory [B]; steps without length do not turn."""
    moves = states.flatten(2).diff(dim=0)
    before, after = moves[:-1], moves[1:]
    norms = before.norm(dim=-1) * after.norm(dim=-1)
    cosine = torch.where(norms > 1e-12, (before * after).sum(-1) / norms.clamp_min(1e-12), 1.0)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).sum(0)


def transport_cost(noise: Tensor, data: Tensor) -> float:
    """Mean squared distance between paired points [N,...]."""
    return float((noise - data).flatten(1).square().sum(1).mean())


def optimal_cost(noise: Tensor, data: Tensor) -> float:
    """The least mean squared distance over all pairings of two clouds [N,D]: optimal transport between them (N below some thousands)."""
    distances = torch.cdist(noise.flatten(1).double(), data.flatten(1).double()).square().numpy()
    rows, columns = linear_sum_assignment(distances)
    return float(distances[rows, columns].mean())
