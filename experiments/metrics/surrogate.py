r"""What FID would be if features were Gaussian and a model perfect: the bias of a finite number of pictures, alone.

Two samples of n from one Gaussian with covariance eigenvalues \lambda_1 .. \lambda_d have a true distance of 0, so their
FID is the bias. It is proportional to the scale of \lambda, and falls as 1/n only for n well above d. Assumptions, to be
printed with any number from here: features are Gaussian, both sets have n pictures, and their covariances differ by
chance only; a model's true distance adds to the bias.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from experiments.metrics.frechet import fid, reference


def power_law(dimension: int, power: float) -> Tensor:
    """Eigenvalues k^-power, k = 1 .. dimension, with sum 1: the shape that spectra of deep features have roughly."""
    values = torch.arange(1, dimension + 1, dtype=torch.float64) ** -power
    return values / values.sum()


def spectrum(features: Tensor) -> Tensor:
    """Eigenvalues of the covariance of features [N,D], largest first."""
    return torch.linalg.eigvalsh(torch.cov(features.double().T)).clamp_min(0).flip(0)


def bias(n: int, eigenvalues: Tensor, seed: int = 0) -> float:
    """FID between two samples of n from one Gaussian with these covariance eigenvalues [d]; one draw."""
    g = torch.Generator().manual_seed(seed)
    if n <= len(eigenvalues):
        x, y = (torch.randn(n, len(eigenvalues), generator=g, dtype=torch.float64) * eigenvalues.sqrt() for _ in "xy")
        return fid(x, reference(y))
    a, b = (_covariance_factor(n, eigenvalues, g) for _ in "ab")
    cross = torch.linalg.eigvalsh(a.T @ (b @ (b.T @ a))).clamp_min(0).sqrt().sum()
    return float(2 * eigenvalues.sum() / n + a.square().sum() + b.square().sum() - 2 * cross)


def _covariance_factor(n: int, eigenvalues: Tensor, g: torch.Generator) -> Tensor:
    """L with L L^T distributed as the covariance of n draws (Bartlett's decomposition), so the cost does not grow with n."""
    d = len(eigenvalues)
    below = torch.randn(d, d, generator=g, dtype=torch.float64).tril(-1)
    rng = np.random.default_rng(torch.randint(2**31, (1,), generator=g).item())
    diagonal = torch.from_numpy(np.sqrt(rng.chisquare(n - 1 - np.arange(d))))
    return eigenvalues.sqrt()[:, None] * (below + torch.diag(diagonal)) / (n - 1) ** 0.5


def first_order(n: int, eigenvalues: Tensor) -> float:
    r"""The bias where n is far above d: (5/2 \sum \lambda_i + \sum_{ij} \lambda_i \lambda_j / (\lambda_i + \lambda_j)) / n."""
    both = eigenvalues[:, None] + eigenvalues
    return float(2.5 * eigenvalues.sum() + (eigenvalues[:, None] * eigenvalues / both).sum()) / n


def images_for(level: float, sizes: Sequence[int], values: Sequence[float]) -> float:
    """The n at which a falling curve of FID passes `level`, between its points linearly in log n and log FID.

    NaN where the curve does not reach that level.
    """
    order = np.argsort(values)
    return float(np.exp(np.interp(np.log(level), np.log(values)[order], np.log(sizes)[order], left=np.nan, right=np.nan)))
