"""Rank correlations: against SciPy, against counting all orders, and the interval against simulation."""

import numpy as np
import pytest
from scipy import stats

from experiments.metrics.ranks import agreement, exact

A = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}


def test_the_same_and_the_reverse_order():
    same, reverse = agreement(A, A), agreement(A, {k: -v for k, v in A.items()})
    assert (same.kendall.value, same.spearman.value, same.p) == pytest.approx((1, 1, 2 / 120))
    assert (reverse.kendall.value, reverse.spearman.value, reverse.p) == pytest.approx((-1, -1, 2 / 120))


def test_only_models_of_both_columns_count_and_fewer_than_three_say_nothing():
    found = agreement(A, {"b": 1.0, "a": 5.0, "d": 9.0, "x": 0.0, "e": float("nan")})
    assert found.models == ("a", "b", "d") and found.kendall.n == 3
    assert agreement(A, {"a": 1.0, "b": 2.0}) is None


def test_p_is_scipys_exact_one():
    x, y = [1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5]
    assert exact(x, y) == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue)
    assert np.isnan(exact(range(9), range(9)))


def test_too_few_models_give_the_whole_range():
    found = agreement({k: A[k] for k in "abcd"}, {k: A[k] for k in "abcd"})
    assert (found.kendall.low, found.kendall.high) == (-1, 1)
    assert (found.spearman.low, found.spearman.high) == (-1, 1)  # 2 of 24 orders are as good: no surprise
    assert agreement(A, A).kendall.low > 0 > agreement(A, {k: -v for k, v in A.items()}).spearman.high


def test_the_interval_holds_the_correlation_of_the_population():
    g, rho, n = np.random.default_rng(0), 0.6, 30
    true = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of a bivariate normal
    inside = []
    for _ in range(300):
        x = g.standard_normal(n)
        y = rho * x + (1 - rho**2) ** 0.5 * g.standard_normal(n)
        names = [str(k) for k in range(n)]
        found = agreement(dict(zip(names, x)), dict(zip(names, y))).spearman
        inside.append(found.low < true < found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
