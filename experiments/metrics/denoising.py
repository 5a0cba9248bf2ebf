"""How well a denoiser denoises a known scene that it is told about: errors of x0 by noise level, and choices between captions.

Both see what a network has learned long before it draws well, take one pass and no solver, and are in the units of the
code (deviation 1), so that networks which predict noise and networks which predict velocity can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.data.dataset import images

LEVELS = (20, 100, 300, 500, 700, 900, 980, 999)  # time steps, of 1000
CHOICE_LEVELS = (500, 700, 900)
BATCH = 50
WHOLE = (64, 64, 0, 0, 64, 64)  # of SDXL's sizes: nothing was scaled or cut


@torch.inference_mode()
def says(pipe: Any, x: Tensor, t: int, texts: Sequence[str]) -> Tensor:
    """What the denoiser of an SD- or SDXL-type pipeline predicts for x [B,C,h,w] at time step t, as its scheduler means it."""
    told = pipe.encode_prompt(prompt=list(texts), device=x.device, num_images_per_prompt=1, do_classifier_free_guidance=False)
    more = {}
    if len(told) == 4:
        sizes = torch.tensor([WHOLE], device=x.device).expand(len(x), -1)
        more["added_cond_kwargs"] = {"text_embeds": told[2], "time_ids": sizes}
    return pipe.unet(x, t, told[0], **more).sample


def clean(scheduler: Any, said: Tensor, x: Tensor, t: int) -> Tensor:
    """The x0 that a prediction means: (x - s eps) / a from noise, a x - s v from velocity, and itself."""
    a, s = coefficients(scheduler, t)
    match scheduler.config.prediction_type:
        case "epsilon":
            return (x - s * said) / a
        case "v_prediction":
            return a * x - s * said
        case "sample":
            return said
    raise ValueError(f"{scheduler.config.prediction_type!r} is not one of epsilon, v_prediction, sample")


def coefficients(scheduler: Any, t: int) -> tuple[float, float]:
    """a and s of x_t = a x0 + s eps at time step t."""
    kept = float(scheduler.alphas_cumprod[t])
    return kept**0.5, (1 - kept) ** 0.5


@torch.inference_mode()
def encoded(pipe: Any, split: str, rows: Sequence[int]) -> Tensor:
    """Codes [N,C,h,w] of renders of a split, the means of q(z|x)."""
    pictures = images(split, 0, max(rows) + 1)
    x = torch.from_numpy(np.array(pictures[list(rows)])).float() / 127.5 - 1
    return torch.cat([pipe.vae.encode(part).latent_dist.mean * pipe.vae.config.scaling_factor for part in x.split(100)])


def noise(shape: torch.Size, t: int, seed: int) -> Tensor:
    """The same for every model at the same level."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1_000_000 * seed + t))


def errors(pipe: Any, codes: Tensor, texts: Sequence[str], levels: Sequence[int] = LEVELS, seed: int = 0) -> dict[int, np.ndarray]:
    """Mean squared error of x0 for each scene [N] at each time step, the network being told its caption."""
    found = {}
    for t in levels:
        a, s = coefficients(pipe.scheduler, t)
        x = a * codes + s * noise(codes.shape, t, seed)
        parts = [
            clean(pipe.scheduler, says(pipe, x[i : i + BATCH], t, texts[i : i + BATCH]), x[i : i + BATCH], t) for i in range(0, len(x), BATCH)
        ]
        found[t] = (torch.cat(parts) - codes).square().mean((1, 2, 3)).numpy()
    return found


def choices(pipe: Any, codes: Tensor, true: Sequence[str], false: Sequence[str], seed: int = 0) -> np.ndarray:
    """Whether the true caption of each scene predicts it better than the false one, bool [N] (Li et al. 2023, arXiv:2303.16203).

    Errors of x0, weighed as errors of the noise, are summed over CHOICE_LEVELS; both captions see the same noise.
    """
    gap = np.zeros(len(codes))
    for t in CHOICE_LEVELS:
        a, s = coefficients(pipe.scheduler, t)
        told = [errors(pipe, codes, texts, (t,), seed)[t] for texts in (true, false)]
        gap += (told[1] - told[0]) * (a / s) ** 2
    return gap > 0
