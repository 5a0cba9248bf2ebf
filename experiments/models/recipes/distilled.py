"""Rows made from mini-sd1.5: reflow on its own pairs, its distillation to one step, and rectified diffusion."""

from __future__ import annotations

from experiments.models.recipes.bars import DISTILLED_BARS
from experiments.models.recipes.family import PLAIN, member
from experiments.models.recipes.stable_diffusion import STABLE_DIFFUSION_SCHEDULE, UNET

# Euler's steps along the straight path in a scheduler that this pipeline class takes: first order on the straight path is Euler.
STRAIGHT = dict(
    num_train_timesteps=1000,
    use_flow_sigmas=True,
    flow_shift=1.0,
    prediction_type="flow_prediction",
    solver_order=1,
    final_sigmas_type="zero",
)
DDIM = {k: v for k, v in STABLE_DIFFUSION_SCHEDULE.items() if k != "skip_prk_steps"} | dict(clip_sample=False, timestep_spacing="trailing")
PAIRS = dict(
    teacher="mini-sd1.5", count=50_000, solver="DPMSolverMultistepScheduler", call=dict(num_inference_steps=10, guidance_scale=4.0)
)
FROM_SD = dict(denoiser=UNET, shared=PLAIN | dict(text_encoder="clip/text_encoder"))
_RETRAINED = dict(images=300_000, rate=5e-4, expected=DISTILLED_BARS)

ROWS = (
    member(
        "mini-2-rectified-flow",
        "stable-diffusion",
        "on_pairs",
        mirrors="2-rectified flow of instaflow-0.9b, its first stage",
        objective="flow",
        needs=("autoencoder", "clip", "mini-sd1.5"),
        config=FROM_SD | dict(solver="DPMSolverMultistepScheduler", scheduler=STRAIGHT, start="mini-sd1.5", pairs=PAIRS),
        defaults=dict(num_inference_steps=20, guidance_scale=1.0),
        **_RETRAINED,
    ),
    member(
        "mini-instaflow",
        "stable-diffusion",
        "on_pairs",
        mirrors="instaflow-0.9b",
        objective="flow",
        needs=("autoencoder", "clip", "mini-2-rectified-flow"),
        config=FROM_SD
        | dict(
            solver="DPMSolverMultistepScheduler",
            scheduler=STRAIGHT,
            start="mini-2-rectified-flow",
            times=(1.0,),  # from noise to picture in one step
            pairs=dict(teacher="mini-2-rectified-flow", count=50_000, call=dict(num_inference_steps=20, guidance_scale=1.0)),
        ),
        defaults=dict(num_inference_steps=1, guidance_scale=1.0),
        **_RETRAINED,
    ),
    member(
        "mini-rectified-diffusion",
        "stable-diffusion",
        "on_pairs",
        mirrors="rectified diffusion of sd-1.5 (arXiv:2410.07303)",
        objective="epsilon",
        needs=("autoencoder", "clip", "mini-sd1.5"),
        config=FROM_SD | dict(solver="DDIMScheduler", scheduler=DDIM, start="mini-sd1.5", pairs=PAIRS),
        defaults=dict(num_inference_steps=4, guidance_scale=1.0),
        **_RETRAINED,
    ),
)
