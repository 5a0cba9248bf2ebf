"""Parts that several pipelines take as they are."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModelWithProjection


def autoencoder(weights: Path) -> AutoencoderKL:
    """The shared autoencoder, in float32."""
    return AutoencoderKL.from_pretrained(weights / "autoencoder", torch_dtype=torch.float32)


def projected_tower(weights: Path, name: str) -> CLIPTextModelWithProjection:
    """The text tower with its projection of the CLIP row `name`, in float32."""
    return CLIPTextModelWithProjection.from_pretrained(weights / name / "text_encoder_projected", dtype=torch.float32)
