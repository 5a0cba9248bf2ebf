"""Hunyuan-DiT: a transformer with skip connections that looks at the words of a bilingual CLIP and of an mT5 (arXiv:2405.08748)."""

from __future__ import annotations

from pathlib import Path

from diffusers import DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline

from experiments.models.pipelines import parts, text_parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> HunyuanDiTPipeline:
    """The row's pipeline."""
    encoder, tokenizer = text_parts.bert(weights)
    return HunyuanDiTPipeline(
        vae=parts.autoencoder(weights),
        text_encoder=encoder,
        tokenizer=tokenizer,
        text_encoder_2=text_parts.t5(weights, "mt5"),
        tokenizer_2=text_parts.t5_tokenizer(weights, "mt5"),
        transformer=HunyuanDiT2DModel(**recipe.config["denoiser"]),
        scheduler=DDPMScheduler(**recipe.config["scheduler"]),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
