"""The formats in which a miniature's denoiser is kept on disk, so that the whole family fits into what a repository may hold."""

from __future__ import annotations

import torch

LOST = 0.04  # of a tensor's root mean square: what its format on disk may lose
NARROW = torch.float8_e4m3fn  # 4 bits of exponent, 3 of mantissa (Micikevicius et al. 2022, arXiv:2209.05433)


def narrowed(weight: torch.Tensor) -> torch.Tensor:
    """`weight` in 8 bits where that loses little (matrices and kernels), else in half precision (vectors, and what 8 bits would harm).

    Of any shape. Rounding to 3 bits of mantissa moves a weight by 2.6% in the root mean square; a tensor that loses more than
    `LOST` has many weights below the smallest that 8 bits can say (2**-9), or any above the largest (448).
    """
    short = weight.to(NARROW)
    error = (short.float() - weight.float()).square().mean().sqrt()
    return short if weight.dim() > 1 and error <= LOST * weight.float().square().mean().sqrt() else weight.half()


@torch.no_grad()
def round_(module: torch.nn.Module) -> None:
    """Give every parameter and buffer of real numbers the value that it will have when it is read back; formats stay."""
    for held in module.parameters():
        held.copy_(narrowed(held))
    for held in module.buffers():
        if held.is_floating_point():
            held.copy_(held.half())


@torch.no_grad()
def narrow_(module: torch.nn.Module) -> None:
    """Put every parameter of `module` in the format for the disk; buffers of real numbers in half precision."""
    for held in module.parameters():
        held.data = narrowed(held.data)
    for part in module.modules():
        for name, held in part._buffers.items():
            if held is not None and held.is_floating_point():
                part._buffers[name] = held.half()
