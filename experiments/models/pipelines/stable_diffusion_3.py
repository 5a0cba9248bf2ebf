"""Stable Diffusion 3: an MM-DiT and three text towers (arXiv:2403.03206)."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from experiments.models.pipelines import parts
from experiments.models.recipes import Recipe


def assemble(recipe: Recipe, weights: Path) -> StableDiffusion3Pipeline:
    """The row's pipeline, its T5 silent."""
    vae = parts.autoencoder(weights)
    vae.register_to_config(shift_factor=0.0)  # the pipeline adds it to the code and cannot do without one
    encoder, tokenizer = silent_t5(recipe.config["denoiser"]["joint_attention_dim"])
    return StableDiffusion3Pipeline(
        vae=vae,
        text_encoder=parts.projected_tower(weights, "clip"),
        tokenizer=CLIPTokenizer.from_pretrained(weights / "clip"),
        text_encoder_2=parts.projected_tower(weights, "clip-wide"),
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
