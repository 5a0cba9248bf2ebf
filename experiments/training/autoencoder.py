"""The autoencoder: pictures to an 8 times smaller code and back (Rombach et al. 2022, arXiv:2112.10752).

Loss: mean squared error + KL_WEIGHT x KL(q(z|x) || N(0, 1)), both per element. No adversarial and no perceptual term: the
scenes have no texture that needs them, and the bar is a signal-to-noise ratio.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL

KL_WEIGHT = 1e-4


def to_tensor(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """uint8 [B,3,H,W] to float in [-1, 1]."""
    return torch.as_tensor(np.array(images) if isinstance(images, np.ndarray) else images).float() / 127.5 - 1


def loss(model: AutoencoderKL, images: np.ndarray, batch: int):
    """The loss of one step, as `training.loop.fit` wants it. images: uint8 [N,3,H,W]."""

    def of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        x = to_tensor(images[torch.randint(len(images), (batch,), generator=generator).numpy()]).to(model.device)
        code = model.encode(x).latent_dist
        noise = torch.randn(code.mean.shape, generator=generator).to(x)
        y = model.decode(code.mean + code.std * noise).sample
        return (y.float() - x).square().mean() + KL_WEIGHT * code.kl().mean() / code.mean[0].numel()

    return of_step


@torch.no_grad()
def standardise(model: AutoencoderKL, images: torch.Tensor) -> None:
    """Fold an affine map into the 1x1 convolutions about the code, so that each channel has mean 0 and deviation 1.

    Denoisers then need neither a shift nor a scale (`scaling_factor` is 1). images: float [N,3,H,W] to measure on.
    """
    code = torch.cat([model.encode(x).latent_dist.mean for x in images.split(100)])
    mean, deviation = code.mean((0, 2, 3)), code.std((0, 2, 3))
    channels = len(mean)
    inward, outward = model.quant_conv, model.post_quant_conv
    outward.bias += torch.einsum("oihw,i->o", outward.weight, mean)
    outward.weight *= deviation.view(1, -1, 1, 1)
    inward.weight[:channels] /= deviation.view(-1, 1, 1, 1)
    inward.bias[:channels] = (inward.bias[:channels] - mean) / deviation
    inward.bias[channels:] -= 2 * deviation.log()  # the log-variance of the rescaled code
    model.register_to_config(scaling_factor=1.0)


@torch.no_grad()
def psnr(model: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB of each reconstruction, [N]; images float [N,3,H,W] in [-1, 1], peak 2."""
    errors = []
    for x in images.split(100):
        y = model.decode(model.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        errors.append((y - x).square().mean((1, 2, 3)))
    return 10 * torch.log10(4 / torch.cat(errors))
