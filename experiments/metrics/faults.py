"""The faults of generated pictures, put on renders: softness, lost detail in 8x8 blocks, noise, wrong brightness."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def spoil(images: Tensor, g: torch.Generator) -> Tensor:
    """Pictures [B,3,64,64] in [-1,1] with the faults of generated ones: softness, blocks, noise, wrong brightness.

    A third is left as it is.
    """
    parts = [kind(part, g) for part, kind in zip(images.chunk(len(FAULTS)), FAULTS)]
    images = torch.cat(parts)
    b = len(images)
    some = (torch.rand(b, 1, 1, 1, generator=g) < 0.67).float()
    gain = 1 + some * (0.3 * torch.rand(b, 1, 1, 1, generator=g) - 0.15)
    tint = 1 + some * (0.12 * torch.rand(b, 3, 1, 1, generator=g) - 0.06)
    lift = some * (0.2 * torch.rand(b, 1, 1, 1, generator=g) - 0.1)
    noise = some * 0.1 * torch.rand(b, 1, 1, 1, generator=g).square()
    return (images * gain * tint + lift + noise * torch.randn(images.shape, generator=g)).clamp(-1, 1)


def _soft(images: Tensor, g: torch.Generator) -> Tensor:
    """Down to 28..60 pixels and up again."""
    small = int(torch.randint(28, 61, (), generator=g))
    return F.interpolate(F.interpolate(images, small, mode="area"), images.shape[-1], mode="bilinear")


def _blocks(images: Tensor, g: torch.Generator) -> Tensor:
    """Only the low frequencies of each 8x8 block: what JPEG, or an autoencoder with f = 8, leaves."""
    basis = cosines(8)
    kept = float(3 + 7 * torch.rand((), generator=g))
    low = (torch.arange(8)[:, None] + torch.arange(8)[None] < kept).float()
    blocks = images.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8))  # [B,3,8,8,8,8]: block row, y, block column, x
    waves = torch.einsum("bciyjx,uy,vx->bciujv", blocks, basis, basis)
    back = torch.einsum("bciujv,uy,vx->bciyjx", waves * low[:, None, :], basis, basis)
    return back.flatten(-2).flatten(-3, -2)


def cosines(n: int) -> Tensor:
    """The orthonormal cosine basis of n samples, one function a row."""
    k, x = torch.arange(n)[:, None], torch.arange(n)[None]
    basis = torch.cos(math.pi * (x + 0.5) * k / n) * (2 / n) ** 0.5
    basis[0] /= 2**0.5
    return basis


def _as_it_is(images: Tensor, g: torch.Generator) -> Tensor:
    return images


FAULTS = (_as_it_is, _soft, _soft, _blocks, _blocks, _as_it_is)
