"""From the program's pictures to the metrics' pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def to_uint8(images: Tensor) -> Tensor:
    """Pictures in [-1, 1] as bytes: rounded to the nearest value, never truncated.

    `images` is `[B, 3, H, W]`, floating; values outside [-1, 1] are clipped. Returns uint8 of the same shape.
    Truncating (`(x * 255).byte()`) darkens every picture by half a level, which FID sees. A NaN or infinity would
    become an arbitrary byte without a word (SDXL's VAE in fp16 does this), so it is an error naming the picture.
    """
    if not images.is_floating_point():
        raise TypeError(f"pictures are {images.dtype}; to_uint8 takes floating values in [-1, 1]")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"pictures have shape {tuple(images.shape)}; to_uint8 takes [B, 3, H, W]")
    broken = (~images.isfinite().flatten(1).all(1)).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"picture {broken[0]} holds values that are not finite ({len(broken)} of {len(images)} do); "
                         "a decoder that overflows in half precision is the usual cause: decode in float32")
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def require_uint8(images: Tensor) -> Tensor:
    """`images` itself if it is uint8 `[B, 3, H, W]`; an error that says what to do otherwise."""
    if images.dtype != torch.uint8:
        raise TypeError(f"a metric takes uint8 pictures, not {images.dtype}: convert with metrics.images.to_uint8")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"a metric takes pictures [B, 3, H, W], not {tuple(images.shape)}")
    return images
