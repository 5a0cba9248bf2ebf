"""Parts that several pipelines take as they are."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection


def autoencoder(weights: Path) -> AutoencoderKL:
    """The shared autoencoder, in float32."""
    return AutoencoderKL.from_pretrained(weights / "autoencoder", torch_dtype=torch.float32)


def projected_tower(weights: Path, name: str) -> CLIPTextModelWithProjection:
    """The text tower with its projection of the CLIP row `name`, in float32."""
    return CLIPTextModelWithProjection.from_pretrained(weights / name / "text_encoder_projected", dtype=torch.float32)


def text_tower(folder: Path, omitted: int = 0) -> CLIPTextModel:
    """The text tower of a CLIP row without its projection and without its `omitted` last layers, in float32.

    The final normalisation stays, so its last state is the normalised state of the last layer that is left.
    """
    plain = folder / "text_encoder"
    source = plain if plain.is_dir() else folder / "text_encoder_projected"
    config = CLIPTextConfig.from_pretrained(source)
    config.num_hidden_layers -= omitted
    return CLIPTextModel.from_pretrained(source, config=config, dtype=torch.float32)
