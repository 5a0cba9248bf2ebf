"""One small U-Net for each thing that a network may be asked for: the noise, the data or the velocity of the same path.

The path is Stable Diffusion's; one more row has the velocity on the same path with its last level moved to pure noise
(Lin et al. 2024, arXiv:2305.08891). Scenes, captions, noises and time steps are the same for all, and each has the squared
error of what it says as its loss.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from experiments.artefacts import fingerprint, source_hash, store
from experiments.models.recipes.stable_diffusion import BETAS, UNET
from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training import paths
from experiments.training.arm_loss import Material
from experiments.training.loop import Plan, fit

NARROW = UNET | dict(block_out_channels=(40, 40), norm_num_groups=8)
IMAGES, BATCH, RATE = 3_200, 32, 2e-3


@dataclass(frozen=True)
class Target:
    """What is predicted (a word of `paths.target`), and whether the path ends in pure noise."""

    name: str
    objective: str
    prediction_type: str
    pure: bool = False

    def scheduler(self) -> DDIMScheduler:
        """DDIM whose first step is at the last level, as "trailing" spacing has it, and whose last one ends at x0."""
        options = dict(clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing", rescale_betas_zero_snr=self.pure)
        return DDIMScheduler(**BETAS, **options, prediction_type=self.prediction_type)


TARGETS = {
    row.name: row
    for row in (
        Target("epsilon", "epsilon", "epsilon"),
        Target("x0", "sample", "sample"),
        Target("velocity", "velocity", "v_prediction"),
        Target("velocity, zero SNR", "velocity", "v_prediction", pure=True),
    )
}


def train(target: Target, seed: int, data: Material, images: int = IMAGES) -> tuple[UNet2DConditionModel, float]:
    """The trained network (its moving average) and the mean loss of the last fifty steps. Resumes where it was killed."""
    torch.manual_seed(seed)  # initial weights only
    model = UNet2DConditionModel(**NARROW)
    average = copy.deepcopy(model).requires_grad_(False)
    plan = Plan(images=images, batch=BATCH, rate=RATE, warmup=20, average=0.98, seed=seed)
    parts = [weights_hash(WEIGHTS / part) for part in ("autoencoder", "clip")]
    key = fingerprint(source_hash("experiments.training.target_arms"), repr(target), repr(plan), parts)
    steps = fit(model, average, loss(target, model, data), plan, store("arms", f"target-{key[:16]}.pt"))
    losses = [progress.loss for progress in steps][-50:]
    return average.eval(), sum(losses) / max(1, len(losses))


def loss(target: Target, model: UNet2DConditionModel, data: Material, batch: int = BATCH):
    """Squared error of what the network says, from the same draws for all targets."""
    draw = paths.variance_preserving(target.scheduler().alphas_cumprod)

    def of_step(step: int, generator: torch.Generator) -> Tensor:
        at = torch.randint(len(data.mean), (batch,), generator=generator)
        style = torch.randint(data.captions.shape[1], (batch,), generator=generator)
        x0 = data.mean[at] + data.deviation[at] * torch.randn(data.mean[at].shape, generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        time = draw(batch, generator)
        said = model(time.a * x0 + time.s * eps, time.timestep, data.text.words[data.captions[at, style]]).sample
        return (said - paths.target(target.objective, x0, eps, time.a, time.s)).square().mean()

    return of_step


@torch.inference_mode()
def sample(target: Target, model: UNet2DConditionModel, words: Tensor, noise: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Codes drawn from `noise` by DDIM, and the x0 that the first step sees, both [B,C,h,w]; no guidance."""
    scheduler = target.scheduler()
    scheduler.set_timesteps(steps)
    x, first = noise, None
    for t in scheduler.timesteps:
        done = scheduler.step(model(x, t, words).sample, t, x)
        first = done.pred_original_sample if first is None else first
        x = done.prev_sample
    return x, first
