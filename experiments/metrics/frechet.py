r"""Fréchet distance between two sets of features (FID, Heusel et al. 2017, arXiv:1706.08500), exact and fast.

.. math:: |\mu_1 - \mu_2|^2 + \mathrm{tr}\,\Sigma_1 + \mathrm{tr}\,\Sigma_2 - 2\,\mathrm{tr}(\Sigma_1\Sigma_2)^{1/2}

The last trace is the only costly term. \Sigma_1\Sigma_2 is not symmetric, but has the eigenvalues of three
symmetric matrices, and the smallest of them is taken:

* d x d   S \Sigma_1 S with S the root of \Sigma_2, computed once for a reference;
* n x n   X \Sigma_2 X^T / (n - 1), X the centred features, when n < d: no root is needed at all;
* n x m   the singular values of X Y^T, when the reference is small too (FastFID, Mathiasen & Hvilshøj 2020,
  arXiv:2009.14075).

All three are exact. FID is biased by about c/n with a c that depends on the model (Chong & Forsyth 2020,
arXiv:1911.07023): print n with it, compare at equal n only, or extrapolate (`fid_infinity`).
Features are `[N, D]`; everything is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import linregress
from torch import Tensor

from experiments.metrics.intervals import LEVEL, Estimate, centred, jackknife


@dataclass(frozen=True)
class Reference:
    """Statistics of the reference features, with what is costly computed once: keep it between calls."""

    features: Tensor  # [N, D] float64

    @property
    def n(self) -> int:
        return len(self.features)

    @cached_property
    def mean(self) -> Tensor:
        return self.features.mean(0)

    @cached_property
    def centred(self) -> Tensor:
        return self.features - self.mean

    @cached_property
    def covariance(self) -> Tensor:
        return self.centred.T @ self.centred / (self.n - 1)

    @cached_property
    def root(self) -> Tensor:
        """Symmetric square root of the covariance, [D, D]."""
        values, vectors = torch.linalg.eigh(self.covariance)
        return (vectors * values.clamp_min(0).sqrt()) @ vectors.T

    @cached_property
    def trace(self) -> Tensor:
        return self.centred.square().sum() / (self.n - 1)


class Extrapolation(NamedTuple):
    """FID at unlimited n, and the points the line was drawn through."""

    estimate: Estimate
    slope: float
    sizes: tuple[int, ...]
    values: tuple[float, ...]


def reference(features: Tensor) -> Reference:
    """Statistics to measure against; `features` is [N, D], any float type."""
    return Reference(checked(features))


def checked(features: Tensor) -> Tensor:
    """`features` as float64 [N, D]; names the first row that is not finite."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features have shape {tuple(features.shape)}; at least 2 rows [N, D] are needed")
    bad = (~features.isfinite().all(1)).nonzero().flatten()
    if len(bad):
        raise ValueError(f"features of picture {int(bad[0])} are not finite ({len(bad)} of {len(features)} rows)")
    return features.detach().double()


def fid(features: Tensor, against: Reference) -> float:
    """FID of `features` [N, D] against a reference. Never negative."""
    x = checked(features)
    if x.shape[1] != against.features.shape[1]:
        raise ValueError(f"features have {x.shape[1]} columns, the reference {against.features.shape[1]}: "
                         "both must come from the same feature network")
    mean = x.mean(0)
    x = x - mean
    spread = x.square().sum() / (len(x) - 1) + against.trace
    return max(0.0, float((mean - against.mean).square().sum() + spread - 2 * _root_trace(x, against)))


def _root_trace(x: Tensor, against: Reference) -> Tensor:
    """Trace of the root of (covariance of centred x times the reference's), by the cheapest exact form."""
    n, d = x.shape
    if max(n, against.n) < d:  # both sets are small: nuclear norm of their cross Gram matrix
        cross = x @ against.centred.T
        return torch.linalg.svdvals(cross).sum() / ((n - 1) * (against.n - 1)) ** 0.5
    if n < d:
        return _roots(x @ against.covariance @ x.T / (n - 1))
    return _roots(against.root @ (x.T @ x / (n - 1)) @ against.root)


def _roots(symmetric: Tensor) -> Tensor:
    """Sum of the roots of the eigenvalues of a positive semi-definite matrix; rounding may leave some below zero."""
    values = torch.linalg.eigvalsh((symmetric + symmetric.T) / 2)
    floor = values[-1].clamp_min(0) * len(values) * torch.finfo(values.dtype).eps  # LAPACK's own error: rank is lost
    return torch.where(values > floor, values, 0).sqrt().sum()


def fid_bootstrap(features: Tensor, against: Reference, resamples: int = 200, seed: int = 0,
                  level: float = LEVEL) -> Estimate:
    """FID at this n with an interval over the pictures measured (the reference is held fixed).

    With fewer pictures than features the Gram matrix X Sigma X^T is built once and a resample only picks rows and
    columns of it, so each costs n^3 and not d^3.
    """
    x = checked(features)
    picks = torch.from_numpy(np.random.default_rng(seed).integers(len(x), size=(resamples, len(x))))
    again = _gram_resamples(x, against, picks) if len(x) < x.shape[1] else [fid(x[p], against) for p in picks]
    return centred(fid(x, against), again, len(x), level)


def _gram_resamples(x: Tensor, against: Reference, picks: Tensor) -> list[float]:
    """FID of each resample of the rows of x, from inner products only."""
    n = len(x)
    x = x - against.mean  # the distance of means is then |mean of the resample|
    plain, weighted = x @ x.T, x @ against.covariance @ x.T
    values = []
    for pick in picks:
        inner = plain[pick][:, pick]
        spread = (inner.trace() - inner.sum() / n) / (n - 1)
        gram = weighted[pick][:, pick]
        rows = gram.mean(0, keepdim=True)
        centre = gram - rows - rows.T + gram.mean()
        values.append(float(inner.mean() + spread + against.trace - 2 * _roots(centre / (n - 1))))
    return values


def default_sizes(n: int, dimension: int, points: int = 8) -> tuple[int, ...]:
    """Numbers of pictures, even in n, from a fifth of them (but more than the dimension) to all of them.

    Below the dimension the covariance is singular and FID no longer follows a line in 1/n.
    """
    start = max(n // 5, dimension + dimension // 4, 2)
    if start > n // 2:
        raise ValueError(f"{n} pictures are too few to extrapolate FID with {dimension} features: "
                         f"at least {2 * (dimension + dimension // 4)} are needed")
    return tuple(int(s) for s in np.linspace(start, n, points).round())


def fid_infinity(features: Tensor, against: Reference, sizes: Sequence[int] | None = None, repeats: int = 4,
                 groups: int = 10, seed: int = 0, level: float = LEVEL) -> Extrapolation:
    """FID extrapolated to unlimited generated pictures: intercept of the line through (1/n, FID_n).

    Chong & Forsyth 2020, arXiv:1911.07023. `sizes` holds at least five numbers of pictures; each is measured on
    `repeats` random subsets. The interval leaves out one of `groups` groups of pictures at a time. The reference's
    own finite size is not corrected: it is the same for every model compared with it.
    """
    x = checked(features)
    sizes = tuple(sizes) if sizes is not None else default_sizes(len(x), x.shape[1])
    if len(set(sizes)) < 5 or max(sizes) > len(x) or min(sizes) < 2:
        raise ValueError(f"sizes {sizes} must be at least 5 different numbers between 2 and {len(x)}")
    values = _curve(x, against, sizes, repeats, seed)
    line = linregress(1 / np.array(sizes), values)
    kept = (groups - 1) / groups
    fewer = [max(2, round(s * kept)) for s in sizes]
    order = np.random.default_rng(seed).permutation(len(x))
    left = [linregress(1 / np.array(fewer), _curve(_without(x, part), against, fewer, repeats, seed)).intercept
            for part in np.array_split(order, groups)]
    return Extrapolation(jackknife(float(line.intercept), left, len(x), level), float(line.slope), sizes, values)


def _without(x: Tensor, rows: np.ndarray) -> Tensor:
    """x without some rows."""
    keep = torch.ones(len(x), dtype=torch.bool)
    keep[torch.from_numpy(rows)] = False
    return x[keep]


def _curve(x: Tensor, against: Reference, sizes: Sequence[int], repeats: int, seed: int) -> tuple[float, ...]:
    """Mean FID of `repeats` random subsets of each size."""
    g = np.random.default_rng(seed)
    return tuple(float(np.mean([fid(x[torch.from_numpy(g.permutation(len(x))[:n])], against)
                                for _ in range(1 if n == len(x) else repeats)])) for n in sizes)
