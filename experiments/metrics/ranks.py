r"""Rank correlation of two columns of a table, with an interval over models and an exact p.

Kendall's \tau counts pairs of models that both columns order alike, Spearman's \rho correlates ranks. With few models the
interval is wide, and that is the message: Fisher's z with the variances of Bonett & Wright 2000 (Psychometrika 65, 23-28),
(1 + \rho^2/2)/(n - 3) for Spearman and 0.437/(n - 4) for Kendall. Below the n that these need the interval is all of [-1, 1],
and so it is for a perfect order of so few models that it is no surprise; of more, it ends just short of zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.metrics.intervals import LEVEL, Estimate

TINY = 1e-9
MOST = 8  # models whose orders are all tried: 40,320


class Agreement(NamedTuple):
    """Kendall's and Spearman's correlations over the same models, and the share of all orders that agree as much."""

    kendall: Estimate
    spearman: Estimate
    p: float  # two-sided, exact, of Kendall's tau; NaN for more than MOST models
    models: tuple[str, ...]


def agreement(first: Mapping[str, float], second: Mapping[str, float], level: float = LEVEL) -> Agreement | None:
    """How much two columns agree on the order of the models that both have; None for fewer than three of them."""
    models = tuple(name for name in first if name in second and math.isfinite(first[name]) and math.isfinite(second[name]))
    if len(models) < 3:
        return None
    x, y = ([column[name] for name in models] for column in (first, second))
    tau, rho = float(stats.kendalltau(x, y).statistic), float(stats.spearmanr(x, y).statistic)
    return Agreement(_fisher(tau, len(x), 4, lambda r: 0.437, level), _fisher(rho, len(x), 3, lambda r: 1 + r * r / 2, level),
                     exact(x, y), models)


def _fisher(value: float, n: int, spent: int, variance: Callable[[float], float], level: float) -> Estimate:
    """`value` with the interval of its Fisher transform, whose variance is variance(value)/(n - spent)."""
    name = f"{level:.0%} over {n} models (Fisher's z)"
    if n <= spent or math.isnan(value):
        return Estimate(value, -1.0, 1.0, n, name)
    if abs(value) > 1 - TINY:  # z is infinite; what a perfect order tells is how few orders are as good
        sign, near = round(value), TINY if 2 / math.factorial(n) < 1 - level else -1.0
        return Estimate(float(sign), *sorted((sign * near, float(sign))), n, f"{level:.0%} over {n} models (orders counted)")
    half = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(variance(value) / (n - spent))
    z = math.atanh(value)
    return Estimate(value, math.tanh(z - half), math.tanh(z + half), n, name)


def exact(x: Sequence[float], y: Sequence[float]) -> float:
    """Share of all orders of y whose Kendall's tau with x is at least as far from zero; NaN where there are too many."""
    if len(x) > MOST:
        return float("nan")
    i, j = np.triu_indices(len(x), 1)
    signs = np.sign(np.subtract.outer(np.asarray(x), np.asarray(x)))[i, j]
    orders = np.array(list(permutations(y)))
    counts = np.sign(orders[:, i] - orders[:, j]) @ signs
    return float(np.mean(np.abs(counts) >= abs(counts[0]) - 1e-9))  # permutations begin with y as it is
