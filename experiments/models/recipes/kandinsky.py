"""Rows of the Kandinsky family: its autoencoder, its prior, and both releases."""

from __future__ import annotations

from experiments.models.recipes.family import PIXELS, member
from experiments.models.recipes.parts import LENGTH
from experiments.models.recipes.recipe import CAPTIONS, LOOP, RENDER, Recipe

CHANNELS = 4  # of a code, as in the releases: Kandinsky 3's pipeline knows no other number
MOVQ = dict(
    in_channels=3,
    out_channels=3,
    down_block_types=("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
    up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
    block_out_channels=(32, 32, 64, 64),  # its spatial norms count in groups of 32
    layers_per_block=1,
    latent_channels=CHANNELS,
    vq_embed_dim=CHANNELS,
    num_vq_embeddings=1024,
    norm_num_groups=16,
    norm_type="spatial",
    sample_size=64,
)
PRIOR = dict(num_attention_heads=4, attention_head_dim=24, num_layers=3, embedding_dim=128, num_embeddings=LENGTH, additional_embeddings=4)
PRIOR_SCHEDULE = dict(
    num_train_timesteps=1000, variance_type="fixed_small_log", clip_sample=True, clip_sample_range=10.0, prediction_type="sample"
)
UNET = dict(
    sample_size=8,
    in_channels=CHANNELS,
    out_channels=2 * CHANNELS,
    down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    block_out_channels=(64, 96),
    layers_per_block=1,
    attention_head_dim=16,
    cross_attention_dim=128,
    addition_embed_type="text_image",
    addition_embed_type_num_heads=4,
    encoder_hid_dim=128,
    encoder_hid_dim_type="text_image_proj",
    norm_num_groups=16,
    resnet_time_scale_shift="scale_shift",
)
SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_schedule="linear",
    beta_start=0.00085,
    beta_end=0.012,
    clip_sample=False,
    set_alpha_to_one=False,
    steps_offset=1,
    prediction_type="epsilon",
)
UNET_3 = dict(
    in_channels=CHANNELS,
    time_embedding_dim=64,
    groups=8,
    attention_head_dim=16,
    layers_per_block=2,  # the class takes no fewer, and has four levels
    block_out_channels=(96, 32, 32, 32),
    cross_attention_dim=64,
    encoder_hid_dim=192,
)
SCHEDULE_3 = dict(
    num_train_timesteps=1000,
    beta_schedule="squaredcos_cap_v2",
    clip_sample=True,
    clip_sample_range=1.0,
    steps_offset=1,
    timestep_spacing="leading",
    variance_type="fixed_small",
)

ROWS = (
    Recipe(
        "movq",
        "experiments.training.movq:train",
        mirrors="MoVQ of kandinsky-2.1 and kandinsky-3.0 (f = 8, 4 channels)",
        objective="squared error + commitment to the codebook",
        images=100_000,
        batch=8,
        rate=1.5e-3,
        made_by=(LOOP, RENDER, "experiments.training.movq_loss"),
        config=dict(model=MOVQ, scores="experiments.metrics.part_scores:reconstruction"),
        expected={"psnr": 26.0},
    ),
    Recipe(
        "kandinsky-prior",
        "experiments.training.prior:train",
        mirrors="the diffusion prior of kandinsky-2.1",
        objective="sample",
        images=500_000,
        batch=128,
        rate=1e-3,
        made_by=(LOOP, RENDER, CAPTIONS, "experiments.training.prior_loss"),
        needs=("clip",),
        config=dict(model=PRIOR, scheduler=PRIOR_SCHEDULE, scores="experiments.metrics.part_scores:embedding_retrieval"),
        expected={"embedding retrieval@1 of 64": 0.5},
    ),
    member(
        "mini-kandinsky2.1",
        "kandinsky",
        mirrors="kandinsky-2.1",
        objective="epsilon",
        needs=("movq", "clip", "clip-multilingual", "kandinsky-prior"),
        config=dict(
            denoiser=UNET,
            scheduler=SCHEDULE,
            prior_scheduler=PRIOR_SCHEDULE,
            languages=("en", "zh", "vi"),
            shared=dict(
                movq="movq",
                text_encoder="clip-multilingual/text_encoder",
                prior_text_encoder="clip/text_encoder_projected",
                prior_image_encoder="clip",  # the file of the whole pair, of which transformers reads a tower
                prior_prior="kandinsky-prior",
            ),
        ),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0, prior_num_inference_steps=10) | PIXELS,
    ),
    member(
        "mini-kandinsky3",
        "kandinsky-3",
        mirrors="kandinsky-3.0",
        objective="epsilon",
        needs=("movq", "t5-large"),
        config=dict(denoiser=UNET_3, scheduler=SCHEDULE_3, shared=dict(movq="movq", text_encoder="t5-large/text_encoder")),
        defaults=dict(num_inference_steps=25, guidance_scale=3.0) | PIXELS,  # its pipeline counts guidance from 0: this is w = 4
    ),
)
