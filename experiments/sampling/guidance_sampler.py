"""Sampling with a guide: a deterministic solver in the open, which asks a guide for the noise at each step.

    texts = Texts(pipe, caption=[...], empty=[""] * n)
    pictures = decode(pipe, sample(pipe, texts, classifier_free(4.0), noise, steps=10))

A guide is a function of a `Moment` and of `ask`, which gives the noise that the network predicts for one or several of the
texts by name. Stable Diffusion's U-Net pipelines with one text tower are drawn this way, whatever their prediction type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor

from experiments.sampling.generate import generator
from experiments.sampling.guidance import to_data, to_noise


@dataclass(frozen=True)
class Moment:
    """One step: x_t [B,C,h,w], the time (integer tensor), its a and s, and the share of steps done."""

    x: Tensor
    t: Tensor
    a: Tensor
    s: Tensor
    progress: float


@dataclass
class Texts:
    """A denoiser and what it may be told: embedded texts by name. Counts how often it is asked for one picture."""

    unet: torch.nn.Module
    kind: str
    words: dict[str, Tensor]
    asked: int = 0
    options: dict = field(default_factory=dict)  # of the network's call: what a distilled student is told of w

    @classmethod
    def of(cls, pipe: DiffusionPipeline, **texts: Sequence[str]) -> Texts:
        """Texts of a pipeline, one list of captions for each name."""
        if type(pipe).__name__ != "StableDiffusionPipeline":
            raise ValueError(f"{type(pipe).__name__} is told more than one text tower says: give a model that StableDiffusionPipeline loads")
        return cls(pipe.unet, pipe.scheduler.config.get("prediction_type", "epsilon"), {name: embed(pipe, list(said)) for name, said in texts.items()})

    def __call__(self, now: Moment, *names: str) -> tuple[Tensor, ...]:
        """Predicted noise for each of the named texts, in one batch."""
        self.asked += len(names)
        words = torch.cat([self.words[name] for name in names])
        x = torch.cat([now.x] * len(names))
        options = {key: torch.cat([value] * len(names)) for key, value in self.options.items()}
        said = self.unet(x, now.t, encoder_hidden_states=words, **options).sample
        return to_noise(said, x, now.a, now.s, self.kind).chunk(len(names))


Guide = Callable[[Moment, Texts], Tensor]


@torch.no_grad()
def embed(pipe: DiffusionPipeline, texts: list[str]) -> Tensor:
    """What the network sees of each text [B,L,D]; a text that comes often is read once."""
    once = sorted(set(texts))
    words = pipe.encode_prompt(once, pipe.device, 1, False)[0]
    return words[[once.index(text) for text in texts]]


def solver(pipe: DiffusionPipeline, steps: int, spacing: str = "trailing") -> DDIMScheduler:
    """DDIM on the pipeline's own noise levels; `trailing` starts at the last of them (arXiv:2305.08891, section 3.3)."""
    own = dict(timestep_spacing=spacing, clip_sample=False, prediction_type="epsilon", set_alpha_to_one=False, steps_offset=1)
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config, **own)
    scheduler.set_timesteps(steps, device=pipe.device)
    return scheduler


def trajectory(pipe: DiffusionPipeline, texts: Texts, guide: Guide, noise: Tensor, steps: int, spacing: str = "trailing") -> Iterator[tuple[Tensor, Tensor]]:
    """After each step: the latent x, and the data that the guided prediction implied before it."""
    scheduler, x = solver(pipe, steps, spacing), noise
    for number, t in enumerate(scheduler.timesteps):
        kept = scheduler.alphas_cumprod[t].to(x)
        now = Moment(x, t, kept.sqrt(), (1 - kept).sqrt(), number / steps)
        eps = guide(now, texts)
        x = scheduler.step(eps, t, x).prev_sample
        yield x, to_data(eps, now.x, now.a, now.s)


@torch.no_grad()
def sample(pipe: DiffusionPipeline, texts: Texts, guide: Guide, noise: Tensor, steps: int, spacing: str = "trailing") -> Tensor:
    """Latents [B,C,h,w] drawn from `noise`."""
    x = noise
    for x, _ in trajectory(pipe, texts, guide, noise, steps, spacing):
        pass
    return x


def noise(pipe: DiffusionPipeline, ids: Sequence[str], seed: int) -> Tensor:
    """The noise that `generate` gives pictures of prompts with these ids: one generator each."""
    side = pipe.unet.config.sample_size
    shape = (pipe.unet.config.in_channels, side, side)
    drawn = torch.stack([torch.randn(shape, generator=generator(name, seed)) for name in ids])
    return drawn.to(pipe.device, pipe.unet.dtype)


@torch.no_grad()
def decode(pipe: DiffusionPipeline, latents: Tensor) -> Tensor:
    """Pictures, uint8 [N,3,H,W] on the CPU. Raises FloatingPointError where one is not finite."""
    images = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample.float()
    if not images.isfinite().all():
        raise FloatingPointError("pictures are not finite: use float32 for the decoder")
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()
