"""Miniature pipelines from their rows: the release's own diffusers and transformers classes at small widths."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from experiments.models.recipes import LENGTH, Recipe
from experiments.models.zoo import WEIGHTS


PROJECTED = "text_encoder_projected"


def clip(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPModel:
    """Both towers of a CLIP row, with random weights, for the vocabulary of `tokenizer`."""
    marks = dict(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    width = recipe.config["dimension"]
    text = recipe.config["text"] | dict(vocab_size=len(tokenizer), max_position_embeddings=LENGTH, projection_dim=width) | marks
    return CLIPModel(CLIPConfig(text_config=text, vision_config=recipe.config["vision"] | dict(projection_dim=width), projection_dim=width))


def pipeline(recipe: Recipe, weights: Path = WEIGHTS) -> DiffusionPipeline:
    """The pipeline of a text-to-image row: trained parts from `weights`, the denoiser with random weights."""
    build = {"stable-diffusion": _stable_diffusion, "stable-diffusion-3": _stable_diffusion_3}[recipe.config["pipeline"]]
    made = build(recipe, weights)
    made.set_progress_bar_config(disable=True)
    return made


def _stable_diffusion(recipe: Recipe, weights: Path) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=_autoencoder(weights),
        text_encoder=CLIPTextModel.from_pretrained(weights / "clip" / "text_encoder", dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        unet=UNet2DConditionModel(**recipe.config["denoiser"]),
        scheduler=PNDMScheduler(**recipe.config["scheduler"]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _stable_diffusion_3(recipe: Recipe, weights: Path) -> StableDiffusion3Pipeline:
    vae = _autoencoder(weights)
    vae.register_to_config(shift_factor=0.0)  # the pipeline adds it to the code and cannot do without one
    encoder, tokenizer = silent_t5(recipe.config["denoiser"]["joint_attention_dim"])
    return StableDiffusion3Pipeline(
        vae=vae,
        text_encoder=CLIPTextModelWithProjection.from_pretrained(weights / "clip" / PROJECTED, dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(weights / "clip-wide" / PROJECTED, dtype=torch.float32),
        tokenizer_2=CLIPTokenizer.from_pretrained(weights / "clip-wide"),
        text_encoder_3=encoder,
        tokenizer_3=tokenizer,
        transformer=SD3Transformer2DModel(**recipe.config["denoiser"]),
        scheduler=FlowMatchEulerDiscreteScheduler(**recipe.config["scheduler"]),
    )


def silent_t5(width: int) -> tuple[T5EncoderModel, T5TokenizerFast]:
    """A T5 without layers whose states [B,L,width] are zeros, which is what the pipeline takes where T5 is left out.

    With None in its place plain `DiffusionPipeline.from_pretrained` refuses the folder.
    """
    tokenizer = T5TokenizerFast(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)], extra_ids=0)
    encoder = T5EncoderModel(T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=1, d_ff=1, num_layers=0, num_heads=1))
    torch.nn.init.zeros_(encoder.encoder.final_layer_norm.weight)
    return encoder.eval(), tokenizer


def _autoencoder(weights: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(weights / "autoencoder", torch_dtype=torch.float32)
