"""Denoisers of the arms: how a caption enters a network, with diffusers' own blocks.

The U-Nets are diffusers' `UNet2DConditionModel` as it is. Of DiT's four blocks diffusers has only the one for class
labels, so they are put together here from its layers: `Attention`, `FeedForward`, `AdaLayerNorm`, `AdaLayerNormZero`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import PatchEmbed, TimestepEmbedding, Timesteps
from diffusers.models.normalization import AdaLayerNorm, AdaLayerNormContinuous, AdaLayerNormZero
from torch import Tensor, nn

from experiments.models.ablations import EMPTY, WORDS, Arm

IN_CONTEXT, CROSS_ATTENTION, ADALN, ADALN_ZERO = MECHANISMS = ("in-context", "cross-attention", "adaln", "adaln-zero")


class Text(NamedTuple):
    """Captions as the text tower says them: `words` [B,L,D] one state a token, `sentence` [B,D] one vector."""

    words: Tensor
    sentence: Tensor

    def __getitem__(self, rows) -> Text:
        return Text(*(part[rows] for part in tuple(self)))


class Block(nn.Module):
    """One block of DiT: self-attention, cross-attention where that is the mechanism, and a feed-forward layer."""

    def __init__(self, mechanism: str, width: int, heads: int, inner: int):
        super().__init__()
        self.mechanism = mechanism
        if mechanism == ADALN_ZERO:
            self.norm1 = AdaLayerNormZero(width)
            nn.init.zeros_(self.norm1.linear.weight)
            nn.init.zeros_(self.norm1.linear.bias)
        else:
            self.norm1 = _norm(mechanism, width)
        self.attn1 = Attention(width, heads=heads, dim_head=width // heads, bias=True)
        if mechanism == CROSS_ATTENTION:
            self.norm_cross = _norm(mechanism, width)
            self.attn2 = Attention(width, cross_attention_dim=width, heads=heads, dim_head=width // heads, bias=True)
        self.norm2 = (
            nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
            if mechanism == ADALN_ZERO
            else _norm(mechanism, width)
        )
        self.ff = FeedForward(width, activation_fn="gelu-approximate", inner_dim=inner)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        """x [B,N,D]; emb [B,D] is heard by adaptive norms, context [B,L,D] by cross-attention."""
        if self.mechanism == ADALN_ZERO:
            said, gate, shift, scale, gate_ff = self.norm1(x, emb=emb)
            x = x + gate[:, None] * self.attn1(said)
            return x + gate_ff[:, None] * self.ff(self.norm2(x) * (1 + scale[:, None]) + shift[:, None])
        told = {"temb": emb} if self.mechanism == ADALN else {}
        x = x + self.attn1(self.norm1(x, **told))
        if self.mechanism == CROSS_ATTENTION:
            x = x + self.attn2(self.norm_cross(x), encoder_hidden_states=context)
        return x + self.ff(self.norm2(x, **told))


def _norm(mechanism: str, width: int) -> nn.Module:
    if mechanism == ADALN:
        return AdaLayerNorm(width, output_dim=2 * width, chunk_dim=1, norm_eps=1e-6)
    return nn.LayerNorm(width, eps=1e-6)


class ConditionedTransformer(ModelMixin, ConfigMixin):
    """A DiT that hears time and caption by one of MECHANISMS (arXiv:2212.09748, section 3.2).

    in-context       time and words are tokens beside the patches
    cross-attention  time and words are what every block's cross-attention looks at
    adaln            one vector, time plus sentence, gives scale and shift of every norm
    adaln-zero       and a gate on every branch, which starts closed
    """

    @register_to_config
    def __init__(
        self,
        mechanism: str,
        in_channels: int,
        side: int,
        text_width: int,
        width: int,
        layers: int,
        heads: int,
        inner: int,
    ):
        super().__init__()
        if mechanism not in MECHANISMS:
            raise ValueError(f"mechanism {mechanism!r} is not one of {', '.join(MECHANISMS)}")
        self.patches = PatchEmbed(height=side, width=side, patch_size=1, in_channels=in_channels, embed_dim=width)
        self.clock = Timesteps(256, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time = TimestepEmbedding(256, width)
        self.text = nn.Linear(text_width, width)
        self.blocks = nn.ModuleList(Block(mechanism, width, heads, inner) for _ in range(layers))
        adaptive = mechanism in (ADALN, ADALN_ZERO)
        self.norm = (
            AdaLayerNormContinuous(width, width, elementwise_affine=False, eps=1e-6)
            if adaptive
            else nn.LayerNorm(width, eps=1e-6)
        )
        self.out = nn.Linear(width, in_channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, timestep: Tensor, text: Text) -> Tensor:
        """What x [B,C,side,side] at time steps [B] asks for (noise or velocity, as trained), told `text`."""
        size, tokens = x.shape, self.patches(x)
        time = self.time(self.clock(timestep).to(x.dtype))
        emb = time + self.text(text.sentence)
        context = torch.cat([time[:, None], self.text(text.words)], 1)
        if self.config.mechanism == IN_CONTEXT:
            tokens = torch.cat([context, tokens], 1)
        for block in self.blocks:
            tokens = block(tokens, emb, context)
        patches = tokens[:, -size[2] * size[3] :]
        heard = self.norm(patches, emb) if isinstance(self.norm, AdaLayerNormContinuous) else self.norm(patches)
        return self.out(heard).transpose(1, 2).reshape(size)


def build(arm: Arm) -> nn.Module:
    """The arm's denoiser with random weights (from the global generator)."""
    return UNet2DConditionModel(**arm.config) if arm.backbone == "unet" else ConditionedTransformer(**arm.config)


def load(arm: Arm, folder) -> nn.Module:
    """The arm's denoiser as its training left it, in float32."""
    kind = UNet2DConditionModel if arm.backbone == "unet" else ConditionedTransformer
    return kind.from_pretrained(folder, torch_dtype=torch.float32).eval()


def says(arm: Arm, model: nn.Module, x: Tensor, timestep: Tensor, text: Text, empty: Text) -> Tensor:
    """What the network predicts [B,C,h,w] when the caption enters by the arm's door, and `empty` [1,...] by others."""
    if arm.backbone == "dit":
        return model(x, timestep, text)
    nothing = Text(*(part.expand(len(x), *part.shape[1:]) for part in tuple(empty)))
    vector = (nothing if arm.vector == EMPTY else text).sentence
    if arm.sequence == WORDS:
        sequence = text.words
    else:
        sequence = nothing.words if arm.sequence == EMPTY else text.sentence[:, None]
    return model(x, timestep, sequence, class_labels=vector).sample


def parameters(arm: Arm) -> int:
    """Number of the denoiser's parameters."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(arm).parameters())


def gigaflops(arm: Arm, words: int) -> float:
    """Multiply-adds times two of one prediction for one picture, in 10^9, with `words` tokens in the caption.

    Counted on the meta device: on CPU tensors PyTorch's counter sees no attention.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model, side = build(arm).eval(), 8
        text = Text(torch.empty(1, words, arm.config.get("text_width", 128)), torch.empty(1, 128))
        x, time = torch.empty(1, arm.config["in_channels"], side, side), torch.zeros(1)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            says(arm, model, x, time, text, text)
    return counter.get_total_flops() / 1e9
