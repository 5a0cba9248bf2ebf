"""Flow matching (Lipman et al. 2023, arXiv:2210.02747): any path from data to noise, and the velocity that follows from it.

A path is a function t -> (a, s) of tensors, with t = 0 data and t = 1 noise; x_t = a x0 + s eps. Its velocity given the
pair is dx_t/dt = a' x0 + s' eps, and what a network that predicts it learns is the mean of that over all pairs that pass
through x_t. The five things that a network may be asked for are linear in each other, with coefficients of t alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Path = Callable[[Tensor], tuple[Tensor, Tensor]]
QUANTITIES = ("epsilon", "x0", "v", "score", "velocity")


class Point(NamedTuple):
    """A path at time t: its coefficients and their derivatives by t."""

    a: Tensor
    s: Tensor
    da: Tensor
    ds: Tensor


def straight(t: Tensor) -> tuple[Tensor, Tensor]:
    """Rectified flow (arXiv:2209.03003): a = 1 - t, s = t."""
    return 1 - t, t


def cosine(t: Tensor) -> tuple[Tensor, Tensor]:
    """The quarter circle a = cos(pi t / 2), s = sin(pi t / 2), whose variance stays that of unit-variance data."""
    return torch.cos(math.pi / 2 * t), torch.sin(math.pi / 2 * t)


def variance_preserving(t: Tensor) -> tuple[Tensor, Tensor]:
    """DDPM's linear schedule in continuous time (arXiv:2011.13456, eq. 33): a = exp(-t^2 19.9/4 - t 0.1/2), s^2 = 1 - a^2."""
    a = torch.exp(-19.9 / 4 * t**2 - 0.1 / 2 * t)
    return a, (1 - a**2).clamp_min(1e-12).sqrt()


PATHS: Mapping[str, Path] = {"straight": straight, "cosine": cosine, "variance preserving": variance_preserving}


def at(path: Path, t: Tensor) -> Point:
    """The path and its slope at times t, by forward-mode differentiation, so that any function will do."""
    (a, s), (da, ds) = torch.func.jvp(path, (t.clone(),), (torch.ones_like(t),))  # an expanded t cannot be differentiated
    return Point(a, s, da, ds)


def equivalents(known: str, value: Tensor, x: Tensor, point: Point) -> dict[str, Tensor]:
    """All QUANTITIES at x from one of them, elementwise.

    epsilon and x0: the noise and the data in x = a x0 + s eps. v: (a eps - s x0) / sqrt(a^2 + s^2), the derivative by the
    angle (arXiv:2202.00512). score: -eps / s, the gradient of log p_t. velocity: a' x0 + s' eps.
    Raises ValueError for another name.
    """
    a, s, da, ds = point
    norm = (a**2 + s**2).sqrt()
    match known:
        case "epsilon":
            eps, x0 = value, (x - s * value) / a
        case "x0":
            eps, x0 = (x - a * value) / s, value
        case "v":
            eps, x0 = (s * x + a * norm * value) / norm**2, (a * x - s * norm * value) / norm**2
        case "score":
            eps = -s * value
            x0 = (x - s * eps) / a
        case "velocity":
            turn = a * ds - da * s
            eps, x0 = (a * value - da * x) / turn, (ds * x - s * value) / turn
        case _:
            raise ValueError(f"{known!r} is not one of {', '.join(QUANTITIES)}")
    return {"epsilon": eps, "x0": x0, "v": (a * eps - s * x0) / norm, "score": -eps / s, "velocity": da * x0 + ds * eps}


def weight(known: str, point: Point) -> Tensor:
    """How much an error of epsilon weighs in the squared error of `known`: |error of known|^2 = weight |error of eps|^2.

    At a given x an error of epsilon by d is an error of x0 by -s/a d.
    """
    a, s, da, ds = point
    factor = {
        "epsilon": torch.ones_like(a),
        "x0": s / a,
        "v": (a**2 + s**2).sqrt() / a,
        "score": 1 / s,
        "velocity": (a * ds - da * s) / a,
    }
    if known not in factor:
        raise ValueError(f"{known!r} is not one of {', '.join(QUANTITIES)}")
    return factor[known] ** 2


def mixture_velocity(path: Path, x: Tensor, t: Tensor, centres: Tensor, weights: Tensor, width: float) -> Tensor:
    """The exact marginal velocity [N,D] at x [N,D], times t [N,1], of data from Gaussians of deviation `width`.

    centres [K,D], weights [K]. E[velocity | x] = a' E[x0 | x] + s' E[eps | x].
    """
    a, s, da, ds = at(path, t)
    gap = x[:, None] - a[:, None] * centres
    variance = a**2 * width**2 + s**2
    chance = (weights.log() - gap.square().sum(-1) / (2 * variance)).softmax(-1)[..., None]
    x0 = (chance * (centres + (a * width**2 / variance)[:, None] * gap)).sum(1)
    eps = (chance * (s / variance)[:, None] * gap).sum(1)
    return da * x0 + ds * eps
