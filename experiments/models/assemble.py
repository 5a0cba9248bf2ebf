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
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

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
    return StableDiffusion3Pipeline(
        vae=_autoencoder(weights),
        text_encoder=CLIPTextModelWithProjection.from_pretrained(weights / "clip" / PROJECTED, dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(weights / "clip-wide" / PROJECTED, dtype=torch.float32),
        tokenizer_2=CLIPTokenizer.from_pretrained(weights / "clip-wide"),
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=SD3Transformer2DModel(**recipe.config["denoiser"]),
        scheduler=FlowMatchEulerDiscreteScheduler(**recipe.config["scheduler"]),
    )


def _autoencoder(weights: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(weights / "autoencoder", torch_dtype=torch.float32)
