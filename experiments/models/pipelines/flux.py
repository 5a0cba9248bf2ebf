"""FLUX.1: double- and single-stream blocks over packed latents, told by a T5 and by CLIP's sentence vector."""

from __future__ import annotations

from pathlib import Path

from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from transformers import CLIPTokenizer

from experiments.models.pipelines import parts, text_parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> FluxPipeline:
    """The row's pipeline; with `guidance_embeds` in its denoiser the guidance is an input."""
    return FluxPipeline(
        vae=text_parts.shiftless(weights),
        text_encoder=parts.text_tower(weights / "clip"),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        text_encoder_2=text_parts.t5(weights, "t5"),
        tokenizer_2=text_parts.t5_tokenizer(weights, "t5"),
        transformer=FluxTransformer2DModel(**recipe.config["denoiser"]),
        scheduler=FlowMatchEulerDiscreteScheduler(**recipe.config["scheduler"]),
    )
