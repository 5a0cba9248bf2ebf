"""Rows whose denoiser is a transformer."""

from __future__ import annotations

from experiments.models.recipes.bars import TEXT_TO_IMAGE_BARS
from experiments.models.recipes.parts import CODE_CHANNELS
from experiments.models.recipes.recipe import BY_DENOISER, Recipe

MMDIT = dict(
    sample_size=8,
    patch_size=1,
    in_channels=CODE_CHANNELS,
    out_channels=CODE_CHANNELS,
    num_layers=5,
    attention_head_dim=32,
    num_attention_heads=4,
    caption_projection_dim=128,
    joint_attention_dim=288,  # the two CLIP towers side by side: 128 + 160
    pooled_projection_dim=256,
    pos_embed_max_size=16,
)

ROWS = (
    Recipe(
        "mini-sd3",
        "experiments.training.denoiser:train",
        mirrors="sd3-medium, without its T5 (the paper's own option of leaving it out)",
        objective="flow",
        images=1_000_000,
        batch=64,
        rate=1e-3,
        made_by=BY_DENOISER,
        needs=("autoencoder", "clip", "clip-wide"),
        config=dict(pipeline="stable-diffusion-3", denoiser=MMDIT, scheduler=dict(num_train_timesteps=1000, shift=3.0)),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0, max_sequence_length=16),
        expected=TEXT_TO_IMAGE_BARS,
    ),
)
