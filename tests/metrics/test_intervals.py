"""Intervals: known values, coverage, and refusals."""

import numpy as np
import pytest

from experiments.metrics.intervals import bootstrap, centred, jackknife, over_seeds, wilson


def test_wilson_known_values():
    """Wilson (1927) for 8 of 10, and the two ends, where the normal interval has no width."""
    e = wilson(8, 10)
    assert (e.value, e.n) == (0.8, 10)
    assert (e.low, e.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 20).low == 0 and wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    assert wilson(20, 20).high == 1 and wilson(20, 20).low < 1
    with pytest.raises(ValueError, match="n = 0"):
        wilson(0, 0)


def test_over_seeds_is_students_t():
    e = over_seeds([1.0, 2.0, 3.0])
    assert e.value == 2 and e.n == 3
    assert e.high - e.value == pytest.approx(4.30265 / 3**0.5, rel=1e-4)


def test_bootstrap_covers_and_repeats_itself():
    g = np.random.default_rng(0)
    inside = [e.low < 0 < e.high for e in (bootstrap(g.normal(size=60), resamples=300) for _ in range(60))]
    assert 0.85 < np.mean(inside)
    values = g.normal(size=30)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, statistic=np.median).value == np.median(values)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=12)
    left = [(values.sum() - v) / 11 for v in values]
    e, t = jackknife(values.mean(), left, 12), over_seeds(values)
    assert (e.low, e.high) == pytest.approx((t.low, t.high))


def test_centred_removes_the_bias_of_replicates():
    e = centred(10.0, [14.0, 15.0, 16.0], n=50)
    assert e.low < 10 < e.high < 12


def test_too_few_or_broken_values():
    with pytest.raises(ValueError, match="at least 2"):
        over_seeds([1.0])
    with pytest.raises(ValueError, match="value 1 is not finite"):
        bootstrap([1.0, float("nan"), 2.0])
