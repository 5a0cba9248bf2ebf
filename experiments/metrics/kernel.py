r"""Kernel distance between two sets of features (KID, Bińkowski et al. 2018, arXiv:1801.01401).

The squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, without its diagonal, so its expectation does
not depend on n: usable with few pictures, and zero (it may be slightly negative) for equal distributions.
Values are raw, not multiplied by 1000.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.metrics.frechet import checked
from experiments.metrics.intervals import LEVEL, Estimate


class Subsets(NamedTuple):
    """KID over random subsets, as it is usually published: mean and deviation over subsets."""

    mean: float
    deviation: float
    size: int


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Cubic polynomial kernel of [N, D] and [M, D], [N, M]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kid(features: Tensor, against: Tensor) -> float:
    """Unbiased KID over all pairs of rows of [N, D] and [M, D]."""
    x, y = checked(features), checked(against)
    return float(_within(kernel(x, x)) + _within(kernel(y, y)) - 2 * kernel(x, y).mean())


def _within(k: Tensor) -> Tensor:
    """Mean of a square kernel matrix without its diagonal."""
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


def kid_subsets(features: Tensor, against: Tensor, subsets: int = 100, size: int = 1000, seed: int = 0) -> Subsets:
    """Mean and deviation of KID over random subsets of `size` rows (torchmetrics' definition)."""
    x, y = checked(features), checked(against)
    if size > min(len(x), len(y)):
        raise ValueError(f"subsets of {size} pictures need as many on both sides; there are {len(x)} and {len(y)}")
    g = np.random.default_rng(seed)
    values = [kid(x[_pick(g, len(x), size)], y[_pick(g, len(y), size)]) for _ in range(subsets)]
    return Subsets(float(np.mean(values)), float(np.std(values)), size)


def _pick(g: np.random.Generator, n: int, size: int) -> Tensor:
    return torch.from_numpy(g.permutation(n)[:size])


def kid_bootstrap(features: Tensor, against: Tensor, resamples: int = 500, seed: int = 0,
                  level: float = LEVEL) -> Estimate:
    """KID over all pairs with a percentile bootstrap interval over the pictures of both sets.

    A resample holds a picture several times; pairs of a picture with itself are left out, as they are in KID, or
    the replicates would be biased. Kernels are computed once: a replicate costs three matrix-vector products.
    """
    x, y = checked(features), checked(against)
    xx, yy, xy = kernel(x, x).fill_diagonal_(0), kernel(y, y).fill_diagonal_(0), kernel(x, y)
    g = np.random.default_rng(seed)
    a, b = (torch.from_numpy(g.multinomial(n, np.full(n, 1 / n), size=resamples)).double() for n in (len(x), len(y)))
    cross = ((a @ xy) * b).sum(1) / (len(x) * len(y))
    again = _weighted(xx, a) + _weighted(yy, b) - 2 * cross
    low, high = np.quantile(again.numpy(), [(1 - level) / 2, (1 + level) / 2])
    return Estimate(kid(x, y), float(low), float(high), len(x),
                    f"{level:.0%} bootstrap over pictures of both sets, {resamples} resamples")


def _weighted(k: Tensor, weights: Tensor) -> Tensor:
    """Mean of k (zero diagonal) over pairs of different pictures, each counted as often as it was drawn: [R]."""
    pairs = weights.sum(1).square() - weights.square().sum(1)
    return ((weights @ k) * weights).sum(1) / pairs
