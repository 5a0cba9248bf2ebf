"""Seconds and memory."""

import time

import numpy as np
import pytest

from experiments.metrics.latency import latency, peak_memory


def test_median_spread_and_warm_up():
    calls = []

    def call():
        calls.append(0)
        time.sleep(0.2 if len(calls) == 1 else 0.01)  # the first call compiles

    t = latency(call, batch=4, repeats=5, warmup=1)
    assert len(calls) == 6
    assert 0.01 <= t.low <= t.median <= t.high and t.median < 0.15
    assert t.per_image == t.median / 4
    assert "5 calls of batch 4" in t.interval


def test_peak_sees_memory_that_was_given_back():
    with peak_memory() as before:
        pass
    with peak_memory() as peak:
        block = np.ones(100 * 2**20, dtype=np.uint8)
        del block
    assert peak.mib > before.mib + 60
    if peak.exact:
        with peak_memory() as after:
            pass
        assert after.mib < peak.mib - 60


def test_peak_is_filled_in_after_an_error():
    with pytest.raises(RuntimeError), peak_memory() as peak:
        raise RuntimeError
    assert peak.mib > 1


def test_refuses_nonsense():
    with pytest.raises(ValueError, match="repeats"):
        latency(lambda: None, repeats=0)
