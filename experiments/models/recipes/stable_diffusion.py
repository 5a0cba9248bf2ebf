"""Rows of the Stable Diffusion family with a U-Net."""

from __future__ import annotations

from experiments.models.recipes.bars import TEXT_TO_IMAGE_BARS
from experiments.models.recipes.parts import CODE_CHANNELS
from experiments.models.recipes.recipe import BY_DENOISER, Recipe

UNET = dict(
    sample_size=8,
    in_channels=CODE_CHANNELS,
    out_channels=CODE_CHANNELS,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    block_out_channels=(96, 96),
    layers_per_block=1,
    cross_attention_dim=128,
    attention_head_dim=4,  # the number of heads, as in SD 1.x's own config
    norm_num_groups=16,
)
STABLE_DIFFUSION_SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    skip_prk_steps=True,
    set_alpha_to_one=False,
    steps_offset=1,
)

ROWS = (
    Recipe(
        "mini-sd1.5",
        "experiments.training.denoiser:train",
        mirrors="sd-1.5",
        objective="epsilon",
        images=1_000_000,
        batch=64,
        rate=1e-3,
        made_by=BY_DENOISER,
        needs=("autoencoder", "clip"),
        config=dict(pipeline="stable-diffusion", denoiser=UNET, scheduler=STABLE_DIFFUSION_SCHEDULE),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0),
        expected=TEXT_TO_IMAGE_BARS,
    ),
)
