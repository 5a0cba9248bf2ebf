"""Three networks that read the same words by three ways, at equal parameters: U-Net, DiT with cross-attention, MM-DiT.

    unet    convolutions; in some layers pixels look at the words (Stable Diffusion 1 and XL; arXiv:2112.10752)
    dit     a transformer whose patches look at the words by cross-attention (PixArt; arXiv:2310.00426)
    mmdit   a transformer in which patches and words look at each other and at themselves (SD3; arXiv:2403.03206)

In the first two the words stay what the text tower said; in the third they have weights of their own and change from
layer to layer. The vector of the whole sentence, which SD3 adds to the time, is zero here, so that words alone differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from diffusers import PixArtTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel
from torch import Tensor, nn

CHANNELS, SIDE, TEXT_WIDTH = 16, 8, 128


@dataclass(frozen=True, slots=True)
class Backbone:
    """One row: the network's class, by a short name, and its configuration."""

    name: str
    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)


_UNET = dict(
    sample_size=SIDE,
    in_channels=CHANNELS,
    out_channels=CHANNELS,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    block_out_channels=(40, 40),
    layers_per_block=1,
    cross_attention_dim=TEXT_WIDTH,
    attention_head_dim=4,
    norm_num_groups=8,
)
_DIT = dict(
    sample_size=SIDE,
    patch_size=2,
    in_channels=CHANNELS,
    out_channels=CHANNELS,
    num_layers=4,
    num_attention_heads=4,
    attention_head_dim=22,
    cross_attention_dim=88,
    caption_channels=TEXT_WIDTH,
    norm_num_groups=8,
    use_additional_conditions=False,
    interpolation_scale=1,
)
_MMDIT = dict(
    sample_size=SIDE,
    patch_size=2,
    in_channels=CHANNELS,
    out_channels=CHANNELS,
    num_layers=4,
    attention_head_dim=16,
    num_attention_heads=4,
    caption_projection_dim=64,
    joint_attention_dim=TEXT_WIDTH,
    pooled_projection_dim=8,
    pos_embed_max_size=SIDE,
)

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {row.name: row for row in (Backbone("unet", "unet", _UNET), Backbone("dit", "dit", _DIT), Backbone("mmdit", "mmdit", _MMDIT))}
)
_KINDS = {"unet": UNet2DConditionModel, "dit": PixArtTransformer2DModel, "mmdit": SD3Transformer2DModel}


def build(row: Backbone, **changes: Any) -> nn.Module:
    """The row's network with random weights (from the global generator); `changes` replace settings."""
    return _KINDS[row.kind](**(dict(row.config) | changes))


def says(model: nn.Module, x: Tensor, timestep: Tensor, words: Tensor) -> Tensor:
    """What the network predicts [B,C,h,w] for x at time steps [B] (0 to 1000), told words [B,L,D]."""
    if isinstance(model, UNet2DConditionModel):
        return model(x, timestep, words).sample
    if isinstance(model, PixArtTransformer2DModel):
        return model(x, words, timestep, added_cond_kwargs={"resolution": None, "aspect_ratio": None}).sample
    return model(x, words, x.new_zeros(len(x), model.config.pooled_projection_dim), timestep).sample


def parameters(row: Backbone) -> int:
    """Number of the network's parameters."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(row).parameters())


def gigaflops(row: Backbone, words: int) -> float:
    """Operations of one prediction for one picture, in 10^9, with `words` tokens; a multiply-add counts as two."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = build(row).eval()
        x, told = torch.empty(1, CHANNELS, SIDE, SIDE), torch.empty(1, words, TEXT_WIDTH)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            says(model, x, torch.zeros(1), told)
    return counter.get_total_flops() / 1e9
