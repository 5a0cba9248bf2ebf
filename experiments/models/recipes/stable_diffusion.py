"""Rows of the Stable Diffusion family with a U-Net, which is the same in all of them but for what it is told."""

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
BETAS = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
DDIM = BETAS | dict(clip_sample=False, set_alpha_to_one=False, steps_offset=1)  # SD 2.1's
EULER = BETAS | dict(interpolation_type="linear", timestep_spacing="leading", steps_offset=1)  # SDXL's

SD1 = dict(pipeline="stable-diffusion", denoiser=UNET, scheduler=STABLE_DIFFUSION_SCHEDULE)
SD2 = dict(
    pipeline="stable-diffusion",
    denoiser=UNET | dict(cross_attention_dim=160, use_linear_projection=True),
    tower="clip-wide",
    omitted_layers=1,  # the release keeps 23 of the tower's 24 layers and its final normalisation
)
SIZES = 6  # original height and width, top and left of the crop, target height and width
SDXL = dict(
    pipeline="stable-diffusion-xl",
    denoiser=UNET
    | dict(
        cross_attention_dim=128 + 160,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=128 + 32 * SIZES,  # the sentence vector and the embedded sizes
    ),
    scheduler=EULER,
)
_CALL = dict(num_inference_steps=20, guidance_scale=4.0)
_TEXT_TO_IMAGE = dict(batch=64, rate=1e-3, defaults=_CALL, expected=TEXT_TO_IMAGE_BARS)

ROWS = (
    Recipe(
        "mini-sd1.5",
        "experiments.training.denoiser:train",
        mirrors="sd-1.5",
        objective="epsilon",
        images=1_000_000,
        made_by=BY_DENOISER,
        needs=("autoencoder", "clip"),
        config=SD1,
        **_TEXT_TO_IMAGE,
    ),
    Recipe(
        "mini-sd1.4",
        "experiments.training.earlier:train",
        mirrors="sd-1.4: the run of mini-sd1.5 at 225/595 of its steps",
        objective="epsilon",
        images=1_000_000 * 225 // 595,
        made_by=BY_DENOISER,
        needs=("autoencoder", "clip", "mini-sd1.5"),
        config=SD1 | dict(run="mini-sd1.5", share=225 / 595),
        **_TEXT_TO_IMAGE,
    ),
    Recipe(
        "mini-sd2.0-base",
        "experiments.training.denoiser:train",
        mirrors="sd-2.0-base",
        objective="epsilon",
        images=1_000_000,
        made_by=BY_DENOISER,
        needs=("autoencoder", "clip-wide"),
        config=SD2 | dict(scheduler=STABLE_DIFFUSION_SCHEDULE),
        **_TEXT_TO_IMAGE,
    ),
    Recipe(
        "mini-sd2.1",
        "experiments.training.denoiser:train",
        mirrors="sd-2.1",
        objective="velocity",
        images=1_000_000,
        made_by=BY_DENOISER,
        needs=("autoencoder", "clip-wide"),
        config=SD2 | dict(solver="DDIMScheduler", scheduler=DDIM | dict(prediction_type="v_prediction")),
        **_TEXT_TO_IMAGE,
    ),
    Recipe(
        "mini-sdxl",
        "experiments.training.sdxl:train",
        mirrors="sdxl-base-1.0",
        objective="epsilon",
        images=1_000_000,
        made_by=(*BY_DENOISER, "experiments.training.sdxl_loss", "experiments.training.sizes"),
        needs=("autoencoder", "clip", "clip-wide"),
        config=SDXL,
        **_TEXT_TO_IMAGE,
    ),
)
