"""PixArt-alpha: a DiT with cross-attention to the words of a T5 and one modulation for all blocks (arXiv:2310.00426)."""

from __future__ import annotations

from pathlib import Path

from diffusers import DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

from experiments.models.pipelines import parts, text_parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> PixArtAlphaPipeline:
    """The row's pipeline."""
    return PixArtAlphaPipeline(
        vae=parts.autoencoder(weights),
        text_encoder=text_parts.t5(weights, "t5"),
        tokenizer=text_parts.t5_tokenizer(weights, "t5"),
        transformer=PixArtTransformer2DModel(**recipe.config["denoiser"]),
        scheduler=DPMSolverMultistepScheduler(**recipe.config["scheduler"]),
    )
