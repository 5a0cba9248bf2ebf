"""Aesthetic score: a linear predictor on CLIP image embeddings, as LAION's.

`full`    LAION's improved predictor (github.com/christophschuhmann/improved-aesthetic-predictor): five linear layers,
          with nothing between them, on ViT-L/14, trained on people's ratings from 1 to 10.
`proxy`   the same construction in miniature: ridge regression on the embeddings of our evaluation CLIP, trained on
          renders degraded in known ways, with the score following from the strength. No person was asked. It says how
          clean a picture is, not how beautiful: it is called a proxy wherever it is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.artefacts import ROOT
from experiments.metrics.clip_score import Clip
from experiments.metrics.intervals import Estimate, bootstrap

FOLDER = ROOT / "weights" / "aesthetic-proxy"
RELEASED = ("trl-lib/ddpo-aesthetic-predictor", "aesthetic-model.pth")  # the same weights on the hub
BEST, WORST = 10.0, 1.0


class Linear(NamedTuple):
    """A linear predictor of unit embeddings: weight [D], bias."""

    weight: Tensor
    bias: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        return embeddings.to(self.weight.dtype) @ self.weight + self.bias


class Released(nn.Module):
    """The architecture of LAION's release sac+logos+ava1-l14-linearMSE, with its parameters' names."""

    def __init__(self, width: int = 768):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 1024), nn.Dropout(0.2), nn.Linear(1024, 128), nn.Dropout(0.2),
                                    nn.Linear(128, 64), nn.Dropout(0.1), nn.Linear(64, 16), nn.Linear(16, 1))

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.layers(embeddings).squeeze(-1)


def released(file: str | Path | None = None) -> Released:
    """LAION's predictor from a local file, or from the hub (3.7 MB, once)."""
    if file is None:
        from huggingface_hub import hf_hub_download

        file = hf_hub_download(*RELEASED)
    predictor = Released()
    predictor.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return predictor.eval()


def proxy(folder: str | Path = FOLDER) -> Linear:
    """The shipped proxy; FileNotFoundError says how to train it."""
    from safetensors.torch import load_file

    file = Path(folder) / "model.safetensors"
    if not file.exists():
        raise FileNotFoundError(f"no aesthetic proxy in {file.parent.name}/: train it with "
                                "`python -m experiments train aesthetic-proxy`")
    return Linear(**load_file(file))


@torch.no_grad()
def aesthetic(images: Tensor, clip: Clip, predictor: Callable[[Tensor], Tensor], seed: int = 0) -> Estimate:
    """Mean score of uint8 pictures [N,3,H,W] with a bootstrap interval over pictures.

    `predictor` must have been trained on embeddings of this `clip`.
    """
    return bootstrap(predictor(clip.images(images)).tolist(), seed=seed)


def train_aesthetic(embeddings: Tensor, scores: Tensor, penalty: float = 1e-2) -> Linear:
    """Ridge regression in closed form: embeddings [N,D], scores [N]. The bias is free, `penalty` is per row."""
    x, y = embeddings.double(), scores.double()
    mean = x.mean(0)
    gram = (x - mean).T @ (x - mean) / len(x)
    scale = gram.diagonal().mean()
    weight = torch.linalg.solve(gram + penalty * scale * torch.eye(x.shape[1]), (x - mean).T @ (y - y.mean()) / len(x))
    return Linear(weight, y.mean() - mean @ weight)


def degrade(images: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """uint8 pictures [N,3,H,W], each degraded in one way with a strength in [0, 1], and scores [N] from 10 down to 1.

    Ways and strengths are drawn with `seed`; one picture in seven stays as it is.
    """
    g = torch.Generator().manual_seed(seed)
    ways = torch.randint(len(DEGRADATIONS) + 1, (len(images),), generator=g)
    strengths = torch.rand(len(images), generator=g)
    strengths[ways == len(DEGRADATIONS)] = 0
    worse = images.float() / 255
    for k, way in enumerate(DEGRADATIONS.values()):
        at = ways == k
        if at.any():
            worse[at] = way(worse[at], strengths[at].view(-1, 1, 1, 1), g)
    return worse.clamp(0, 1).mul(255).round().to(torch.uint8), BEST - (BEST - WORST) * strengths


def _blur(x: Tensor, s: Tensor, g: torch.Generator) -> Tensor:
    """Gaussian, up to 3 pixels."""
    at = torch.arange(-9, 10, dtype=x.dtype)
    k = torch.exp(-(at**2) / 2 / (0.05 + 3 * s.view(-1, 1)) ** 2)
    k = (k / k.sum(1, keepdim=True)).repeat_interleave(x.shape[1], 0)[:, None]
    flat = F.pad(x, (9, 9, 9, 9), mode="replicate").flatten(0, 1)[None]
    flat = F.conv2d(F.conv2d(flat, k[..., None], groups=len(k)), k[..., None, :], groups=len(k))
    return flat.view(x.shape)


def _noise(x: Tensor, s: Tensor, g: torch.Generator) -> Tensor:
    return x + 0.3 * s * torch.randn(x.shape, generator=g)


def _cast(x: Tensor, s: Tensor, g: torch.Generator) -> Tensor:
    """All colours towards one at random."""
    return x * (1 - 0.6 * s) + 0.6 * s * torch.rand(len(x), 3, 1, 1, generator=g)


def _blocky(x: Tensor, s: Tensor, g: torch.Generator) -> Tensor:
    """Towards the mean of 8x8 blocks."""
    return x + s * (F.interpolate(F.avg_pool2d(x, 8), x.shape[-2:]) - x)


def _flat(x: Tensor, s: Tensor, g: torch.Generator) -> Tensor:
    """Contrast down to a tenth."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (1 - 0.9 * s)


def _crop(x: Tensor, s: Tensor, g: torch.Generator) -> Tensor:
    """A corner, down to two fifths of the side, enlarged: solids are cut and soft."""
    side = x.shape[-1]
    kept = (side * (1 - 0.6 * s)).round().int().flatten().tolist()
    corner = torch.rand(len(x), 2, generator=g)
    parts = []
    for picture, k, (u, v) in zip(x, kept, corner.tolist()):
        top, left = int(u * (side - k)), int(v * (side - k))
        parts.append(F.interpolate(picture[None, :, top:top + k, left:left + k], side, mode="bilinear"))
    return torch.cat(parts)


DEGRADATIONS = {"blur": _blur, "noise": _noise, "colour cast": _cast, "blocks": _blocky, "low contrast": _flat,
                "crop": _crop}
