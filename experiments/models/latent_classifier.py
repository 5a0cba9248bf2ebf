"""A classifier of noisy latent codes, for classifier guidance (Dhariwal & Nichol 2021, arXiv:2105.05233, section 4).

It reads from x_t and t what a scene shows: how many solids of each shape (0 to 4), and which pairs of colour and shape
are present. It knows neither the denoiser nor captions; what a prompt asks for is put together from its answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from experiments.data.prompts import Requirement
from experiments.data.scenes import COLOURS, SHAPES, Scene

MOST = 4  # solids in a scene
PAIRS = tuple(product(COLOURS, SHAPES))


class LatentClassifier(ModelMixin, ConfigMixin):
    """Codes [B,C,8,8] and times [B] to logits: counts [B,4,5] of each shape, and presence [B,32] of each pair."""

    @register_to_config
    def __init__(self, in_channels: int = 16, width: int = 64, norm_num_groups: int = 8):
        super().__init__()
        clock = 2 * width
        self.time_proj = Timesteps(width, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(width, clock)
        self.conv_in = nn.Conv2d(in_channels, width, 3, padding=1)
        shared = dict(temb_channels=clock, groups=norm_num_groups)
        self.fine = nn.ModuleList(ResnetBlock2D(in_channels=width, **shared) for _ in range(2))
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(ResnetBlock2D(in_channels=n, out_channels=2 * width, **shared) for n in (width, 2 * width))
        self.norm = nn.GroupNorm(norm_num_groups, 2 * width)
        self.answer = nn.Linear(2 * width, len(SHAPES) * (MOST + 1) + len(PAIRS))

    def forward(self, x: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        clock = self.time_embedding(self.time_proj(timestep.expand(len(x))).to(x.dtype))
        h = self.conv_in(x)
        for block in self.fine:
            h = block(h, clock)
        h = self.down(h)
        for block in self.coarse:
            h = block(h, clock)
        said = self.answer(F.silu(self.norm(h)).mean((2, 3)))
        cut = len(SHAPES) * (MOST + 1)
        return said[:, :cut].unflatten(1, (len(SHAPES), MOST + 1)), said[:, cut:]


def truth(scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
    """What a perfect classifier answers: counts, int64 [N,4], and presence, float [N,32]."""
    counts = torch.tensor([[sum(s.shape == shape for s in scene.solids) for shape in SHAPES] for scene in scenes])
    there = [{(s.colour, s.shape) for s in scene.solids} for scene in scenes]
    return counts, torch.tensor([[float(pair in found) for pair in PAIRS] for found in there])


def log_probability(counts: Tensor, presence: Tensor, wanted: Sequence[Requirement]) -> Tensor:
    """log p(y | x_t) of each requirement [B], its parts taken as independent given x_t; nothing is known of places."""
    chance, there = counts.log_softmax(-1), F.logsigmoid(presence)
    return torch.stack([_of_one(chance[i], there[i], requirement) for i, requirement in enumerate(wanted)])


def _of_one(chance: Tensor, there: Tensor, wanted: Requirement) -> Tensor:
    if wanted.count is not None:
        return chance[SHAPES.index(wanted.solids[0].shape), wanted.count]
    plain = Counter(w.shape for w in wanted.solids if w.colour is None)
    parts = [chance[SHAPES.index(shape), least:].logsumexp(0) for shape, least in plain.items()]
    parts += [there[PAIRS.index((w.colour, w.shape))] for w in wanted.solids if w.colour is not None]
    return torch.stack(parts).sum()
