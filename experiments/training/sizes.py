"""Sizes of pictures as SDXL learns them (Podell et al. 2023, arXiv:2307.01952, section 2.2).

A data set holds pictures that are smaller than what a model draws, and wide ones that are cut. SD 1 throws the small ones
away and learns from cut ones that solids are cut. SDXL learns from both and is told: the size before scaling, and where
the cut begins. Ours are all square and of one size, so every other one is spoiled here in one of these ways.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.dataset import images
from experiments.models.zoo import weights_hash
from experiments.training import corpus

SIDE, CHUNK = 64, 1000
SMALL = (16, 24, 32, 40)  # original sizes of pictures that were too small
WIDE = 96  # side to which a picture is scaled before a window of 64 is cut out


def sizes(scene: int) -> tuple[int, ...]:
    """What scene number `scene` went through: original height, width, top, left, target height, width (pixels).

    Half of the scenes are left alone, a quarter were small and a quarter are cut.
    """
    draw = np.random.default_rng((scene, SIDE))
    size, (top, left) = int(draw.choice(SMALL)), map(int, draw.integers(0, WIDE - SIDE + 1, 2))
    kind = scene % 4
    original = size if kind == 1 else SIDE
    return (original, original, *((top, left) if kind == 3 else (0, 0)), SIDE, SIDE)


def spoil(pictures: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
    """Pictures float [N,3,64,64] as their marks [N,6] say: scaled down and up again, or scaled up and cut."""
    return torch.stack([_one(picture, *map(int, mark[:4])) for picture, mark in zip(pictures, marks)])


def _one(picture: torch.Tensor, height: int, width: int, top: int, left: int) -> torch.Tensor:
    x = picture[None]
    if (height, width) != (SIDE, SIDE):
        x = _scale(_scale(x, height, width), SIDE, SIDE)
    if top or left:
        x = _scale(x, WIDE, WIDE)[..., top : top + SIDE, left : left + SIDE]
    return x[0].clamp(-1, 1)


def _scale(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return F.interpolate(x, (height, width), mode="bicubic", antialias=True)


def codes(autoencoder: AutoencoderKL, folder, split: str, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean and deviation [count,C,8,8] of q(z|x) for pictures as `sizes` says, and the sizes [count,6].

    Codes of pictures that are left alone are the usual ones; of the others each chunk of scenes is made once and kept.
    """
    marks = torch.tensor([sizes(scene) for scene in range(count)])
    mean, deviation = corpus.codes(autoencoder, folder, split, count)
    changed = (marks != torch.tensor([SIDE, SIDE, 0, 0, SIDE, SIDE])).any(1).nonzero().flatten()
    for rows in (changed[changed // CHUNK == k] for k in range((count - 1) // CHUNK + 1)):
        if len(rows):
            mean[rows], deviation[rows] = _kept(autoencoder, folder, split, rows, marks[rows])
    return mean, deviation, marks


@torch.no_grad()
def _kept(autoencoder: AutoencoderKL, folder, split: str, rows: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
    """Mean and deviation [2,N,C,8,8] of the codes of spoiled pictures."""
    code = source_hash("experiments.data.render", "experiments.training.sizes")
    path = store("codes", f"sizes-{fingerprint(code, weights_hash(folder), split, rows.tolist())[:24]}.npy")
    if not path.exists():
        drawn, parts = images(split, 0, int(rows.max()) + 1), []
        for part, mark in zip(rows.split(100), marks.split(100)):
            x = spoil(torch.from_numpy(np.array(drawn[part.numpy()])).float() / 127.5 - 1, mark)
            found = autoencoder.encode(x.to(autoencoder.device)).latent_dist
            parts.append(torch.stack([found.mean, found.std]).cpu() * autoencoder.config.scaling_factor)
        with atomic_write(path) as file:
            np.save(file, torch.cat(parts, 1).half().numpy())
    return torch.from_numpy(np.load(path)).float()
