"""Stable Diffusion 3.5: an MM-DiT with normalised queries and keys, and all three text encoders (arXiv:2403.03206)."""

from __future__ import annotations

from pathlib import Path

from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTokenizer

from experiments.models.pipelines import parts, text_parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> StableDiffusion3Pipeline:
    """The row's pipeline."""
    return StableDiffusion3Pipeline(
        vae=text_parts.shiftless(weights),
        text_encoder=parts.projected_tower(weights, "clip"),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        text_encoder_2=parts.projected_tower(weights, "clip-wide"),
        tokenizer_2=CLIPTokenizer.from_pretrained(weights / "clip-wide"),
        text_encoder_3=text_parts.t5(weights, "t5"),
        tokenizer_3=text_parts.t5_tokenizer(weights, "t5"),
        transformer=SD3Transformer2DModel(**recipe.config["denoiser"]),
        scheduler=FlowMatchEulerDiscreteScheduler(**recipe.config["scheduler"]),
    )
