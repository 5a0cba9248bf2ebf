r"""Losses of guidance distillation (Meng et al. 2022, arXiv:2210.03142), for networks that predict noise.

Stage one: a student that is told w says at once what the teacher says with guidance, u + w (c - u). Stage two: a student
of n steps lands in one step of DDIM where its teacher lands in two (progressive distillation, arXiv:2202.00512).

Both losses are squared errors of *where a step lands*. DDIM from (a, s) to (a', s') gives a' (x - s eps) / a + s' eps, so
an error of eps lands as an error (s' - a' s / a) times as large: `reach`. This weighs high noise more than eps alone would,
as the papers' truncated weights of x_0 do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Level = tuple[Tensor, Tensor]  # a and s, each [B,1,1,1]
Embed = Callable[[Tensor], Tensor]  # guidance weights [B] to what the student is told [B,D]


def level(alphas_cumprod: Tensor, timestep: Tensor) -> Level:
    """a and s at integer times [B]; a negative time is the end of a step, which DDIM takes for the first level."""
    kept = alphas_cumprod[timestep.clamp_min(0)].view(-1, 1, 1, 1)
    return kept.sqrt(), (1 - kept).sqrt()


def step(x: Tensor, eps: Tensor, now: Level, then: Level) -> Tensor:
    """DDIM without noise (arXiv:2010.02502, equation 12)."""
    return then[0] * (x - now[1] * eps) / now[0] + then[1] * eps


def reach(now: Level, then: Level) -> Tensor:
    """How far a unit of predicted noise moves the end of a step."""
    return then[1] - then[0] * now[1] / now[0]


def aimed(x: Tensor, landed: Tensor, now: Level, then: Level) -> Tensor:
    """The noise that takes x to `landed` in one step: `step` solved for eps."""
    return (landed - then[0] / now[0] * x) / reach(now, then)


def guided(teacher: nn.Module, x: Tensor, timestep: Tensor, empty: Tensor, words: Tensor, w: Tensor) -> Tensor:
    """Stage one's target: u + w (c - u) from both predictions of the teacher; w is [B]."""
    both = teacher(torch.cat([x, x]), timestep.repeat(2), torch.cat([empty, words])).sample
    u, c = both.chunk(2)
    return u + w.view(-1, 1, 1, 1) * (c - u)


def halved(
    teacher: nn.Module, alphas_cumprod: Tensor, x: Tensor, timestep: Tensor, stride: int, words: Tensor, told: Tensor
) -> Tensor:
    """Stage two's target: the noise that takes x in one step of `stride` where the teacher lands in two of half of it."""
    half = timestep - stride // 2
    now, middle, then = (level(alphas_cumprod, t) for t in (timestep, half, timestep - stride))
    x1 = step(x, teacher(x, timestep, words, timestep_cond=told).sample, now, middle)
    x2 = step(x1, teacher(x1, half, words, timestep_cond=told).sample, middle, then)
    return aimed(x, x2, now, then)


def trailing(steps: int, n: int, generator: torch.Generator, total: int = 1000) -> Tensor:
    """n times [n] of the grid that DDIM visits with `steps` steps and trailing spacing, uniformly."""
    return total - 1 - (total // steps) * torch.randint(steps, (n,), generator=generator)


def loss(student: nn.Module, teacher: nn.Module, alphas_cumprod: Tensor, data, words: Callable, embed: Embed, settings: dict, batch: int):
    """The loss of one step, for `training.loop.fit`.

    data: codes (mean, deviation [N,C,h,w]) and token ids [N,S,L]; words(ids) gives [B,L,D]. settings: `stage` 1 or 2,
    `weights` the range of w, `steps` those of the student (of stage one: the step whose landing the loss measures).
    """
    (mean, deviation), tokens, nothing = data
    stride = 1000 // settings["steps"]
    low, high = settings["weights"]

    def of_step(number: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(mean), (batch,), generator=generator)
        style = torch.randint(tokens.shape[1], (batch,), generator=generator)
        x0 = mean[at] + deviation[at] * torch.randn(mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        w = low + (high - low) * torch.rand(batch, generator=generator)
        first = settings["stage"] == 1
        t = torch.randint(1000, (batch,), generator=generator) if first else trailing(settings["steps"], batch, generator)
        now, then = level(alphas_cumprod, t), level(alphas_cumprod, t - stride)
        x, told = now[0] * x0 + now[1] * eps, embed(w)
        with torch.no_grad():
            said = words(tokens[at, style])
            if first:
                wanted = guided(teacher, x, t, words(nothing).expand_as(said), said, w)
            else:
                wanted = halved(teacher, alphas_cumprod, x, t, stride, said, told)
        error = student(x, t, said, timestep_cond=told).sample - wanted
        return (reach(now, then) * error).square().mean()

    return of_step
