"""Training throughput against a plain diffusers-style loop: same model, same batch, same optimiser, both timed.

The plain loop is that of diffusers' own text-to-image example: each step encodes its pictures, cuts and encodes its captions,
and uses the attention that is the default. Here codes and token ids were made once before, and attention is chosen by device.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DDPMScheduler
from torch.utils.flop_counter import FlopCounterMode

from experiments.data.dataset import images
from experiments.models.assemble import pipeline as assemble
from experiments.models.recipes import RECIPES
from experiments.models.zoo import WEIGHTS
from experiments.training import conditions, denoising, material, texts
from experiments.training.autoencoder import to_tensor
from experiments.training.loop import Plan, fit

SCENES = 1000


class Throughput(NamedTuple):
    """Seconds a step of the plain loop and of ours, operations a step of the denoiser's training, and the device's own best."""

    plain: float
    ours: float
    operations: float
    peak: float

    @property
    def share(self) -> float:
        """Of the measured peak, by the denoiser's operations alone (forward, and backward at twice as many)."""
        return self.operations / self.ours / self.peak


def throughput(name: str = "mini-sd1.5", batch: int = 16, steps: int = 4, weights: Path = WEIGHTS) -> Throughput:
    """Of a row with Stable Diffusion's parts. The fastest of `steps` steps each, after one that warms up."""
    recipe, device = RECIPES[name], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipe = assemble(recipe, weights).to(device)
    for held in (pipe.vae, pipe.text_encoder):
        held.requires_grad_(False).eval()
    first = copy.deepcopy(pipe.unet)
    plain = _fastest(_plain_step(pipe, batch), steps)
    pipe.unet = first
    ours = _fastest(_our_step(recipe, pipe, batch, weights, device), steps)
    return Throughput(plain, ours, 3 * batch * _operations(pipe, device), peak(device))


def _plain_step(pipe, batch: int) -> Callable[[], None]:
    pictures, captions = images("train", 0, SCENES), texts.captions("train", SCENES, "en")
    noising = DDPMScheduler.from_config(pipe.scheduler.config)
    optimiser = torch.optim.AdamW(pipe.unet.parameters(), lr=1e-4)
    draws, device = torch.Generator().manual_seed(0), pipe.unet.device

    def step() -> None:
        at = torch.randint(len(pictures), (batch,), generator=draws)
        x = pipe.vae.encode(to_tensor(pictures[at.numpy()]).to(device)).latent_dist.sample() * pipe.vae.config.scaling_factor
        said = [captions[int(i) * (len(captions) // SCENES)] for i in at]
        ids = pipe.tokenizer(said, padding="max_length", max_length=pipe.tokenizer.model_max_length, truncation=True, return_tensors="pt")
        words = pipe.text_encoder(ids.input_ids.to(device))[0]
        noise = torch.randn_like(x)
        k = torch.randint(0, noising.config.num_train_timesteps, (batch,), device=device)
        answer = pipe.unet(noising.add_noise(x, noise, k), k, words).sample
        torch.nn.functional.mse_loss(answer, noise).backward()
        torch.nn.utils.clip_grad_norm_(pipe.unet.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()

    return step


def _our_step(recipe, pipe, batch: int, weights: Path, device: torch.device) -> Callable[[], None]:
    condition = conditions.of(recipe.config["pipeline"])
    read = material.material(recipe, pipe, condition, SCENES, weights, device)
    model, average = pipe.unet, copy.deepcopy(pipe.unet).requires_grad_(False)
    loss = denoising.denoising(pipe, model, condition, recipe.objective, read, batch)
    folder = tempfile.TemporaryDirectory(prefix="bench.")
    running = fit(model, average, loss, Plan(images=batch * 10_000, batch=batch), Path(folder.name) / "run.pt")

    def step(kept=folder) -> None:
        next(running)

    return step


def _fastest(step: Callable[[], None], steps: int) -> float:
    step()
    found = []
    for _ in range(steps):
        begun = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begun)
    return min(found)


@torch.no_grad()
def _operations(pipe, device: torch.device) -> float:
    """Of one forward pass at batch 1."""
    size = pipe.unet.config.sample_size
    x = torch.zeros(1, pipe.unet.config.in_channels, size, size, device="meta")
    words = torch.zeros(1, pipe.tokenizer.model_max_length, pipe.unet.config.cross_attention_dim, device="meta")
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(pipe.unet).to("meta")(x, torch.zeros(1, device="meta"), words)
    return float(counter.get_total_flops())


def peak(device: torch.device, side: int = 1024) -> float:
    """Operations a second of a product of square float32 matrices on the device, the fastest of five."""
    a = torch.randn(side, side, device=device)
    return 2 * side**3 / _fastest(lambda: torch.mm(a, a), 5)
