"""The loss of MoVQ and the scale of its codes."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import VQModel

SPREAD = 1 / 3  # deviation of a code: Kandinsky 3's scheduler clips it to [-1, 1]


def loss(model: VQModel, images: np.ndarray, batch: int):
    """The loss of one step. images: uint8 [N,3,H,W]."""

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        at = torch.randint(len(images), (batch,), generator=generator)
        x = torch.from_numpy(np.array(images[at.numpy()])).float().to(model.device) / 127.5 - 1
        code = model.encode(x).latents
        if torch.rand((), generator=generator) < 0.5:
            return (model.decode(code, force_not_quantize=True).sample.float() - x).square().mean()
        quantised, commitment, _ = model.quantize(code)
        y = model.decoder(model.post_quant_conv(quantised), quantised if model.config.norm_type == "spatial" else None)
        return (y.float() - x).square().mean() + commitment

    return of_step


@torch.no_grad()
def standardise(model: VQModel, images: torch.Tensor) -> None:
    """Fold an affine map into the convolutions about the code and into the codebook, so that each channel has mean 0 and deviation
    SPREAD. The decoder's spatial norms look at the code too: the map is undone in their own convolutions."""
    code = torch.cat([model.encode(x).latents for x in images.split(100)])
    mean, scale = code.mean((0, 2, 3)), code.std((0, 2, 3)) / SPREAD
    for layer in [model.post_quant_conv, *(m for n, m in model.decoder.named_modules() if n.endswith(("conv_y", "conv_b")))]:
        layer.bias += torch.einsum("oihw,i->o", layer.weight, mean)
        layer.weight *= scale.view(1, -1, 1, 1)
    model.quant_conv.weight /= scale.view(-1, 1, 1, 1)
    model.quant_conv.bias.copy_((model.quant_conv.bias - mean) / scale)
    model.quantize.embedding.weight.copy_((model.quantize.embedding.weight - mean) / scale)
