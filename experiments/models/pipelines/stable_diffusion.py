"""Stable Diffusion 1 and 2: a U-Net that looks at the words of one CLIP tower (arXiv:2112.10752)."""

from __future__ import annotations

from pathlib import Path

import diffusers
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTokenizer

from experiments.models.pipelines import parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> StableDiffusionPipeline:
    """The row's pipeline; its config may name the CLIP row (`tower`), how many of the tower's last layers are left out
    (`omitted_layers`, as SD 2 does) and the scheduler's class (`solver`)."""
    tower = weights / recipe.config.get("tower", "clip")
    return StableDiffusionPipeline(
        vae=parts.autoencoder(weights),
        text_encoder=parts.text_tower(tower, recipe.config.get("omitted_layers", 0)),
        tokenizer=CLIPTokenizer.from_pretrained(tower),
        unet=UNet2DConditionModel(**recipe.config["denoiser"]),
        scheduler=getattr(diffusers, recipe.config.get("solver", "PNDMScheduler"))(**recipe.config["scheduler"]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
