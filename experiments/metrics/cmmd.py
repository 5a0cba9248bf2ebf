r"""CMMD (Jayasumana et al. 2024, arXiv:2401.09603): maximum mean discrepancy between CLIP embeddings of two sets of pictures.

With unit vectors x, y and the kernel k(x, y) = exp(-|x - y|^2 / (2 \sigma^2)), \sigma = 10,

    CMMD = 1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)) .

Without pairs of a picture with itself its expectation does not depend on n, as the paper states; the paper's own code keeps
these pairs, which adds 1000 (1 - mean k(x, x')) / n per set and never falls below 0 (`biased=True`). The encoder defines the
number: `RELEASED` for photographs, our evaluation CLIP for scenes. Values of two encoders have nothing to do with each other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from experiments.metrics.frechet import checked
from experiments.metrics.intervals import LEVEL, Estimate
from experiments.metrics.kernel import _weighted, _within

RELEASED = "openai/clip-vit-large-patch14-336"
BANDWIDTH, SCALE = 10.0, 1000.0


def gaussian(x: Tensor, y: Tensor, bandwidth: float = BANDWIDTH) -> Tensor:
    """Kernel matrix [N,M] of rows [N,D] and [M,D]."""
    return torch.exp(-torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square() / (2 * bandwidth**2))


def cmmd(embeddings: Tensor, against: Tensor, biased: bool = False) -> float:
    """CMMD of unit embeddings [N,D] and [M,D]; `biased` keeps pairs of a picture with itself, as the paper's code does."""
    x, y = _units(embeddings), _units(against)
    mean = Tensor.mean if biased else _within
    return SCALE * float(mean(gaussian(x, x)) + mean(gaussian(y, y)) - 2 * gaussian(x, y).mean())


def cmmd_bootstrap(embeddings: Tensor, against: Tensor, resamples: int = 500, seed: int = 0, level: float = LEVEL) -> Estimate:
    """CMMD with a percentile bootstrap interval over the pictures of both sets; kernels are computed once, as for KID."""
    x, y = _units(embeddings), _units(against)
    xx, yy, xy = gaussian(x, x).fill_diagonal_(0), gaussian(y, y).fill_diagonal_(0), gaussian(x, y)
    g = np.random.default_rng(seed)
    a, b = (torch.from_numpy(g.multinomial(n, np.full(n, 1 / n), size=resamples)).double() for n in (len(x), len(y)))
    cross = ((a @ xy) * b).sum(1) / (len(x) * len(y))
    again = SCALE * (_weighted(xx, a) + _weighted(yy, b) - 2 * cross)
    low, high = np.quantile(again.numpy(), [(1 - level) / 2, (1 + level) / 2])
    name = f"{level:.0%} bootstrap over pictures of both sets, {resamples} resamples"
    return Estimate(cmmd(x, y), float(low), float(high), len(x), name)


def _units(embeddings: Tensor) -> Tensor:
    """Embeddings as float64, refused where they are not of length 1: the bandwidth means something for unit vectors only."""
    x = checked(embeddings)
    longest = float((x.norm(dim=1) - 1).abs().max())
    if longest > 1e-3:
        raise ValueError(f"CMMD takes unit vectors; one differs from length 1 by {longest:.3g}: divide each by its length")
    return x
