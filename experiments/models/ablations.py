"""The arms of the comparison of mechanisms, as rows: one backbone, one budget, another door for the caption.

All U-Net rows are the network of `mini-sd1.5` at a smaller width. It has two doors: a vector beside the time step (the
blocks' `temb`), and a sequence that the attention layers look at. The caption enters by one of them; the other is given
the empty caption, so that all rows compute the same thing from the same number of parameters. The transformer rows are
DiT's four blocks (Peebles & Xie 2023, arXiv:2212.09748, section 3.2). Widths are chosen so that parameters agree to 3%.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from experiments.models.recipes import CODE_CHANNELS

TEXT_WIDTH = 128  # of the states of the CLIP text tower

EMPTY, SENTENCE, WORDS = SOURCES = ("empty", "sentence", "words")


@dataclass(frozen=True, slots=True)
class Arm:
    """One row. `vector` and `sequence` say what a U-Net's two doors are given: the empty caption, the caption's
    sentence vector (in the sequence: as its only token), or its words. A transformer has one door, and `sequence` says
    whether it takes words."""

    name: str
    backbone: str
    vector: str
    sequence: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """What of the caption reaches the network: its words, or one vector for the sentence."""
        return WORDS if self.sequence == WORDS else SENTENCE


_UNET = dict(
    sample_size=8,
    in_channels=CODE_CHANNELS,
    out_channels=CODE_CHANNELS,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    block_out_channels=(40, 40),
    layers_per_block=1,
    cross_attention_dim=TEXT_WIDTH,
    attention_head_dim=4,
    norm_num_groups=8,
    class_embed_type="simple_projection",
    projection_class_embeddings_input_dim=TEXT_WIDTH,
)
_ADDITIVE = _UNET | dict(resnet_time_scale_shift="default", time_embedding_dim=160)
_ADAPTIVE = _UNET | dict(resnet_time_scale_shift="scale_shift")
_DIT = dict(in_channels=CODE_CHANNELS, side=8, text_width=TEXT_WIDTH, width=88, layers=4, heads=4)

_ROWS = (
    Arm("additive", "unet", SENTENCE, EMPTY, _ADDITIVE),
    Arm("adagn-added", "unet", SENTENCE, EMPTY, _ADAPTIVE | dict(time_embedding_dim=116)),
    Arm(
        "adagn-concatenated",
        "unet",
        SENTENCE,
        EMPTY,
        _ADAPTIVE | dict(time_embedding_dim=72, class_embeddings_concat=True),
    ),
    Arm("cross-attention", "unet", EMPTY, WORDS, _ADDITIVE),
    Arm("cross-attention-sentence", "unet", EMPTY, SENTENCE, _ADDITIVE),
    Arm("dit-in-context", "dit", EMPTY, WORDS, _DIT | dict(mechanism="in-context", inner=636)),
    Arm("dit-cross-attention", "dit", EMPTY, WORDS, _DIT | dict(mechanism="cross-attention", inner=456)),
    Arm("dit-adaln", "dit", SENTENCE, EMPTY, _DIT | dict(mechanism="adaln", inner=440)),
    Arm("dit-adaln-zero", "dit", SENTENCE, EMPTY, _DIT | dict(mechanism="adaln-zero", inner=352)),
)

ARMS: Mapping[str, Arm] = MappingProxyType({row.name: row for row in _ROWS})
