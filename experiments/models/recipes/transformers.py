"""Rows whose denoiser is a transformer."""

from __future__ import annotations

from experiments.models.recipes.bars import DISTILLED_BARS, TEXT_TO_IMAGE_BARS
from experiments.models.recipes.family import PIXELS, PLAIN, member
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

MMDIT_X = MMDIT | dict(
    attention_head_dim=26,
    caption_projection_dim=104,
    qk_norm="rms_norm",
    dual_attention_layers=(0, 1),  # the release: 13 of 24
)
FLUX = dict(
    patch_size=1,
    in_channels=4 * CODE_CHANNELS,  # a packed square of four latent pixels
    num_layers=2,
    num_single_layers=4,
    attention_head_dim=28,
    num_attention_heads=4,
    joint_attention_dim=288,
    pooled_projection_dim=128,
    guidance_embeds=False,
    axes_dims_rope=(4, 12, 12),
)
FLUX_SCHEDULE = dict(
    num_train_timesteps=1000,
    shift=3.0,
    use_dynamic_shifting=True,
    base_shift=0.5,
    max_shift=1.15,
    base_image_seq_len=256,
    max_image_seq_len=4096,
)
FLUX_PARTS = PLAIN | dict(text_encoder="clip/text_encoder", text_encoder_2="t5/text_encoder")
FLUX_CALL = dict(num_inference_steps=20, max_sequence_length=40) | PIXELS
FLUX_2 = dict(
    patch_size=1,
    in_channels=4 * CODE_CHANNELS,
    num_layers=2,
    num_single_layers=4,
    attention_head_dim=32,
    num_attention_heads=4,
    joint_attention_dim=3 * 96,  # three layers' states of the language model side by side
    timestep_guidance_channels=64,
    guidance_embeds=False,
    mlp_ratio=3.0,
    axes_dims_rope=(8, 8, 8, 8),
    rope_theta=2000,
)
HUNYUAN_DIT = dict(
    sample_size=8,
    patch_size=1,
    in_channels=CODE_CHANNELS,
    num_layers=4,
    num_attention_heads=4,
    attention_head_dim=28,
    hidden_size=112,
    mlp_ratio=3.0,
    activation_fn="gelu-approximate",
    norm_type="layer_norm",
    learn_sigma=True,
    cross_attention_dim=128,
    cross_attention_dim_t5=96,
    pooled_projection_dim=64,
    text_len=77,
    text_len_t5=256,
    use_style_cond_and_image_meta_size=False,
)
HUNYUAN_SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.018,
    beta_schedule="scaled_linear",
    clip_sample=False,
    prediction_type="v_prediction",
    steps_offset=1,
    timestep_spacing="leading",
    variance_type="fixed_small",
)
PIXART = dict(
    sample_size=8,
    patch_size=1,
    in_channels=CODE_CHANNELS,
    out_channels=2 * CODE_CHANNELS,
    num_layers=6,
    num_attention_heads=4,
    attention_head_dim=32,
    cross_attention_dim=128,
    caption_channels=288,
    activation_fn="gelu-approximate",
    attention_bias=True,
    norm_type="ada_norm_single",
    norm_elementwise_affine=False,
    norm_eps=1e-6,
    num_embeds_ada_norm=1000,
)
PIXART_SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_start=0.0001,
    beta_end=0.02,
    beta_schedule="linear",
    algorithm_type="dpmsolver++",
    solver_order=2,
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
    member(
        "mini-sd3.5",
        "stable-diffusion-3-5",
        mirrors="sd3.5-medium",
        objective="flow",
        needs=("autoencoder", "clip", "clip-wide", "t5"),
        config=dict(
            denoiser=MMDIT_X,
            scheduler=dict(num_train_timesteps=1000, shift=3.0),
            shared=PLAIN
            | dict(
                text_encoder="clip/text_encoder_projected",
                text_encoder_2="clip-wide/text_encoder_projected",
                text_encoder_3="t5/text_encoder",
            ),
        ),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0, max_sequence_length=40),
    ),
    member(
        "mini-flux1-teacher",
        "flux",
        mirrors="flux.1-dev before its guidance was distilled; it guides by two passes",
        objective="flow",
        needs=("autoencoder", "clip", "t5"),
        config=dict(denoiser=FLUX, scheduler=FLUX_SCHEDULE, shared=FLUX_PARTS),
        defaults=FLUX_CALL | dict(true_cfg_scale=4.0),
    ),
    member(
        "mini-flux1-dev",
        "flux",
        "guided",
        mirrors="flux.1-dev",
        objective="what the teacher says with guidance, guidance as an input",
        needs=("autoencoder", "clip", "t5", "mini-flux1-teacher"),
        images=200_000,
        rate=5e-4,
        config=dict(denoiser=FLUX | dict(guidance_embeds=True), scheduler=FLUX_SCHEDULE, shared=FLUX_PARTS, start="mini-flux1-teacher"),
        defaults=FLUX_CALL | dict(guidance_scale=4.0),
        expected=DISTILLED_BARS,
    ),
    member(
        "mini-flux1-schnell",
        "flux",
        "on_pairs",
        mirrors="flux.1-schnell; the release was distilled against a discriminator (arXiv:2403.12015), this one on its teacher's pairs",
        objective="flow",
        needs=("autoencoder", "clip", "t5", "mini-flux1-teacher", "mini-flux1-dev"),
        images=300_000,
        rate=5e-4,
        config=dict(
            denoiser=FLUX,
            scheduler=dict(num_train_timesteps=1000, shift=1.0, use_dynamic_shifting=False),
            shared=FLUX_PARTS,
            start="mini-flux1-teacher",
            times=(1.0, 3 / 4, 2 / 3, 1 / 2, 1 / 3, 1 / 4),  # those of one to four steps
            pairs=dict(teacher="mini-flux1-dev", count=50_000, call=FLUX_CALL | dict(guidance_scale=4.0)),
        ),
        defaults=FLUX_CALL | dict(num_inference_steps=4, guidance_scale=0.0),
        expected=DISTILLED_BARS,
    ),
    member(
        "mini-flux2",
        "flux-2",
        "experiments.training.flux_2:train",
        mirrors="flux.2-klein-4b before its steps were distilled (klein-base)",
        objective="flow",
        needs=("autoencoder", "language-model"),
        config=dict(denoiser=FLUX_2, scheduler=FLUX_SCHEDULE, shared=dict(text_encoder="language-model/text_encoder")),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0, max_sequence_length=64, text_encoder_out_layers=(1, 2, 3)) | PIXELS,
    ),
    member(
        "mini-hunyuan-dit",
        "hunyuan-dit",
        mirrors="hunyuan-dit-v1.2",
        objective="velocity",
        needs=("autoencoder", "clip-bilingual", "mt5"),
        config=dict(
            denoiser=HUNYUAN_DIT,
            scheduler=HUNYUAN_SCHEDULE,
            languages=("en", "zh"),
            shared=PLAIN | dict(text_encoder="clip-bilingual/text_encoder", text_encoder_2="mt5/text_encoder"),
        ),
        defaults=dict(num_inference_steps=25, guidance_scale=4.0, use_resolution_binning=False),
    ),
    member(
        "mini-pixart",
        "pixart",
        mirrors="pixart-alpha",
        objective="epsilon",
        needs=("autoencoder", "t5"),
        config=dict(denoiser=PIXART, scheduler=PIXART_SCHEDULE, shared=PLAIN | dict(text_encoder="t5/text_encoder")),
        defaults=dict(num_inference_steps=20, guidance_scale=4.0, use_resolution_binning=False),
    ),
)
