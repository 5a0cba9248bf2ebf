"""Stable Diffusion XL: two CLIP towers side by side, and the sizes of a picture beside the time (arXiv:2307.01952)."""

from __future__ import annotations

from pathlib import Path

from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTokenizer

from experiments.models.pipelines import parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> StableDiffusionXLPipeline:
    """The row's pipeline. As in the release, the empty prompt is a row of zeros."""
    return StableDiffusionXLPipeline(
        vae=parts.autoencoder(weights),
        text_encoder=parts.text_tower(weights / "clip"),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        text_encoder_2=parts.projected_tower(weights, "clip-wide"),
        tokenizer_2=CLIPTokenizer.from_pretrained(weights / "clip-wide"),
        unet=UNet2DConditionModel(**recipe.config["denoiser"]),
        scheduler=EulerDiscreteScheduler(**recipe.config["scheduler"]),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
