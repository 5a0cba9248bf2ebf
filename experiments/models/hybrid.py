"""FLUX's transformer at small widths, with its two kinds of block in different shares and about as many parameters.

A double-stream block has weights for the words and weights for the picture, which meet in attention; a single-stream block
has one set for both. At width d a double block has about 36 d^2 parameters and a single one 15 d^2, yet each token passes
12 d^2 of them in either. So at equal parameters more single blocks mean more layers and more arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from experiments.models.mechanisms import Text
from experiments.models.recipes import CODE_CHANNELS

MIXES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"all double": (4, 0), "hybrid": (2, 5), "all single": (0, 10)}
)  # double and single blocks; FLUX.1 has 19 and 38
WIDTH, HEADS = 64, 4
ROTARY = (4, 6, 6)  # of a head's 16 channels: token kind, row, column


def build(mix: str) -> FluxTransformer2DModel:
    """The transformer of a row of MIXES with random weights (from the global generator)."""
    double, single = MIXES[mix]
    return FluxTransformer2DModel(
        in_channels=CODE_CHANNELS,
        num_layers=double,
        num_single_layers=single,
        attention_head_dim=WIDTH // HEADS,
        num_attention_heads=HEADS,
        joint_attention_dim=128,
        pooled_projection_dim=128,
        guidance_embeds=False,
        axes_dims_rope=ROTARY,
    )


def positions(height: int, width: int, scale: float = 1.0) -> Tensor:
    """Row and column of each code pixel as FLUX counts them, [height * width, 3], times `scale`."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows * scale, columns * scale], -1).reshape(-1, 3).float()


def says(model: FluxTransformer2DModel, x: Tensor, timestep: Tensor, text: Text, scale: float = 1.0) -> Tensor:
    """The predicted velocity [B,C,h,w] of codes x at time steps [B] in 0 ... 1000; words have position 0."""
    height, width = x.shape[-2:]
    tokens = x.flatten(2).transpose(1, 2)
    words = torch.zeros(text.words.shape[1], 3)
    said = model(
        hidden_states=tokens,
        encoder_hidden_states=text.words,
        pooled_projections=text.sentence,
        timestep=timestep / 1000,
        img_ids=positions(height, width, scale),
        txt_ids=words,
    ).sample
    return said.transpose(1, 2).reshape(x.shape)
