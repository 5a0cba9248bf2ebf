r"""The loss of latent consistency distillation (Luo et al. 2023, arXiv:2310.04378, algorithm 1), for networks that predict noise.

A consistency model says the same picture from every point of one of its teacher's roads, f(x_t, t) = x_0. It is taught without
stored pairs: a training code is noised to time t, the teacher, guided, takes one step of DDIM towards the picture, and the student
says at t what its own slow average says where that step lands. At time 0 it is tied to the point itself:

    f(x, t) = skip(t) x + out(t) x0(x, t),  skip(t) = d^2 / ((10 t)^2 + d^2),  out(t) = 10 t / sqrt((10 t)^2 + d^2),  d = 1/2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from experiments.training.guidance_loss import guided, level, step

STRIDE = 20  # of 1000 times: the teacher's road has 50 steps
DEVIATION, SCALING = 0.5, 10.0  # of the data, and of time, as in the released LCMs and in diffusers' LCMScheduler
ROUND = 1e-3  # where the pseudo-Huber loss turns from square to absolute


def boundary(timestep: Tensor) -> tuple[Tensor, Tensor]:
    """skip and out, each [B,1,1,1], at times [B]; a negative time is 0."""
    t = SCALING * timestep.clamp_min(0).float().view(-1, 1, 1, 1)
    total = t.square() + DEVIATION**2
    return DEVIATION**2 / total, t / total.sqrt()


def picture(network: nn.Module, alphas_cumprod: Tensor, x: Tensor, timestep: Tensor, words: Tensor) -> Tensor:
    """f(x, t), what a consistency model that predicts noise says of the picture."""
    (a, s), (skip, out) = level(alphas_cumprod, timestep), boundary(timestep)
    said = network(x, timestep.clamp_min(0), words).sample
    return skip * x + out * (x - s * said) / a


def loss(student: nn.Module, slow: nn.Module, teacher: nn.Module, alphas_cumprod: Tensor, data, words: Callable, w: float, batch: int):
    """The loss of one step, for `training.loop.fit`, whose moving average is `slow`.

    data: codes (mean, deviation [N,C,h,w]), token ids [N,S,L] and those of the empty caption [1,L]; words(ids) gives [B,L,D];
    w: the teacher's guidance.
    """
    (mean, deviation), tokens, nothing = data

    def of_step(number: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(mean), (batch,), generator=generator)
        style = torch.randint(tokens.shape[1], (batch,), generator=generator)
        x0 = mean[at] + deviation[at] * torch.randn(mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        t = STRIDE * torch.randint(1, 1000 // STRIDE + 1, (batch,), generator=generator) - 1
        now, then = level(alphas_cumprod, t), level(alphas_cumprod, t - STRIDE)
        x = now[0] * x0 + now[1] * eps
        with torch.no_grad():
            said = words(tokens[at, style])
            toward = guided(teacher, x, t, words(nothing).expand_as(said), said, torch.full((batch,), w))
            wanted = picture(slow, alphas_cumprod, step(x, toward, now, then), t - STRIDE, said)
        error = picture(student, alphas_cumprod, x, t, said) - wanted
        return ((error.square() + ROUND**2).sqrt() - ROUND).mean()

    return of_step
