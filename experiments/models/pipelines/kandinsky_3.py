"""Kandinsky 3: no prior; one large text encoder speaks to the U-Net, and MoVQ decodes (arXiv:2312.03511)."""

from __future__ import annotations

from pathlib import Path

from diffusers import DDPMScheduler, Kandinsky3Pipeline, Kandinsky3UNet

from experiments.models.pipelines import text_parts
from experiments.models.pipelines.kandinsky import movq
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> Kandinsky3Pipeline:
    """The row's pipeline."""
    return Kandinsky3Pipeline(
        tokenizer=text_parts.t5_tokenizer(weights, "t5-large"),
        text_encoder=text_parts.t5(weights, "t5-large"),
        unet=Kandinsky3UNet(**recipe.config["denoiser"]),
        scheduler=DDPMScheduler(**recipe.config["scheduler"]),
        movq=movq(weights),
    )
