"""Solvers, named as in their papers: short functions of a network, an initial state and a list of times or noise levels.

Each returns all states [K+1,...], the given one first, so `solver(...)[-1]` is the sample and the rest is its trajectory.
Time runs from t = 1 (noise) to t = 0 (data), so `times` fall. A level is a pair (a, s) of floats with x_t = a x_0 + s eps.
None of them draws noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]  # (x, t) to dx/dt
Level = tuple[float, float]
AtLevel = Callable[[Tensor, Level], Tensor]  # (x, level) to the predicted noise, or the predicted data


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Euler's rule x_{t'} = x_t + (t' - t) v(x_t, t): one evaluation a step, error of first order."""
    states = [x]
    for t, after in zip(times, times[1:]):
        states.append(states[-1] + (after - t) * velocity(states[-1], t))
    return torch.stack(states)


def heun(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Heun's rule, the mean of the velocities at both ends of Euler's step: two evaluations a step, second order."""
    states = [x]
    for t, after in zip(times, times[1:]):
        first = velocity(states[-1], t)
        second = velocity(states[-1] + (after - t) * first, after)
        states.append(states[-1] + (after - t) * (first + second) / 2)
    return torch.stack(states)


def rk4(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """The classical rule of Runge and Kutta, four evaluations a step, fourth order: what others are compared with."""
    states = [x]
    for t, after in zip(times, times[1:]):
        h, x = after - t, states[-1]
        k1 = velocity(x, t)
        k2 = velocity(x + h / 2 * k1, t + h / 2)
        k3 = velocity(x + h / 2 * k2, t + h / 2)
        k4 = velocity(x + h * k3, after)
        states.append(x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return torch.stack(states)


def ddim(epsilon: AtLevel, x: Tensor, levels: Sequence[Level]) -> Tensor:
    """DDIM without noise (Song et al. 2021, arXiv:2010.02502, eq. 12): take the predicted noise out, put it back at the next level."""
    states = [x]
    for (a, s), (a_, s_) in zip(levels, levels[1:]):
        noise = epsilon(states[-1], (a, s))
        states.append(a_ * (states[-1] - s * noise) / a + s_ * noise)
    return torch.stack(states)


def dpm_solver_pp_2m(data: AtLevel, x: Tensor, levels: Sequence[Level]) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2): one evaluation a step, second order in log(a/s).

    The step that ends without noise is of first order, where the logarithm has no end.
    """
    states, before, step_before = [x], None, 0.0
    for (a, s), (a_, s_) in zip(levels, levels[1:]):
        now = data(states[-1], (a, s))
        if s_ == 0:
            states.append(a_ * now)
            break
        h = math.log(a_ / s_) - (math.log(a / s) if a else -math.inf)
        guess = now
        if before is not None and math.isfinite(h) and math.isfinite(step_before):
            r = step_before / h
            guess = (1 + 1 / (2 * r)) * now - before / (2 * r)
        states.append(s_ / s * states[-1] - a_ * math.expm1(-h) * guess)
        before, step_before = now, h
    return torch.stack(states)


def cosine_levels(times: Sequence[float]) -> list[Level]:
    """The path on a circle, a = cos(pi t / 2) and s = sin(pi t / 2), at times in [0, 1]; exact at both ends."""
    return [(0.0, 1.0) if t == 1 else (math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)) for t in times]


def straight_levels(times: Sequence[float]) -> list[Level]:
    """The straight path, a = 1 - t and s = t."""
    return [(1 - t, t) for t in times]


def shifted(times: Sequence[float], shift: float) -> list[float]:
    """Times moved towards noise, t' = shift t / (1 + (shift - 1) t) (Esser et al. 2024, arXiv:2403.03206, eq. 23, shift = sqrt(m/n))."""
    return [shift * t / (1 + (shift - 1) * t) for t in times]
