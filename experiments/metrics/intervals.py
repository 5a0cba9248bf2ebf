"""Intervals: how sure a number is. Each says in words what it is, since a page prints that beside the number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Estimate(NamedTuple):
    """A number, its interval, the number of pictures (or seeds) behind it and the interval's name.

    `run.metric(name, **estimate._asdict())` writes it to a record.
    """

    value: float
    low: float
    high: float
    n: int
    interval: str


def wilson(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """A share with Wilson's score interval, which stays inside [0, 1] and is sound at 0 and at n."""
    if n < 1:
        raise ValueError("a share needs at least one picture, got n = 0")
    low, high = stats.binomtest(int(successes), int(n)).proportion_ci(level, method="wilson")
    return Estimate(successes / n, float(low), float(high), n, f"{level:.0%} Wilson")


def bootstrap(values: Sequence[float], statistic: Callable = np.mean, level: float = LEVEL, resamples: int = 2000,
              seed: int = 0) -> Estimate:
    """`statistic` of per-picture values with its percentile bootstrap interval (Efron).

    `statistic` takes `axis`, as NumPy's do.
    """
    values = _finite(values)
    answer = stats.bootstrap((values,), statistic, confidence_level=level, n_resamples=resamples,
                             method="percentile", rng=np.random.default_rng(seed))
    low, high = answer.confidence_interval
    return Estimate(float(statistic(values, axis=-1)), float(low), float(high), len(values),
                    f"{level:.0%} bootstrap over pictures, {resamples} resamples")


def over_seeds(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean over seeds with Student's t interval: the one that counts training or sampling again as chance."""
    values = _finite(values)
    mean, error = float(values.mean()), float(stats.sem(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return Estimate(mean, mean - half, mean + half, len(values), f"{level:.0%} over {len(values)} seeds (t)")


def centred(value: float, resampled: Sequence[float], n: int, level: float = LEVEL) -> Estimate:
    """Interval for an estimator that is biased in n, from its bootstrap replicates.

    FID's bias grows as 1/n, and a resample holds only 63% of the pictures, so the plain percentile interval may lie
    wholly above the value. Only the *spread* of the replicates is used: value + (replicate - mean of replicates).
    The interval is for the metric at this n, and compares only with others at the same n.
    """
    resampled = _finite(resampled)
    low, high = np.quantile(resampled - resampled.mean(), [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, value + float(low), value + float(high), n,
                    f"{level:.0%} bootstrap over pictures, centred, {len(resampled)} resamples")


def jackknife(value: float, left_out: Sequence[float], n: int, level: float = LEVEL) -> Estimate:
    """Interval from the values obtained with one of g groups of pictures left out (Quenouille, Tukey)."""
    left_out = _finite(left_out)
    groups = len(left_out)
    error = float(np.sqrt((groups - 1) / groups * np.square(left_out - left_out.mean()).sum()))
    half = float(stats.t.ppf((1 + level) / 2, groups - 1)) * error
    return Estimate(value, value - half, value + half, n, f"{level:.0%} jackknife over {groups} groups of pictures")


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(f"an interval needs at least 2 values in one row, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"value {int(np.argmin(np.isfinite(array)))} is not finite")
    return array
