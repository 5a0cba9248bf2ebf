"""The lecture's claims, and how one gets a verdict."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.records.claims import CLAIMS, ERRATA, FAILS, HOLDS, MIXED, UNTESTABLE, VERDICTS, combine, decide

NUMBER = st.floats(-1e6, 1e6)


def test_every_claim_and_erratum_of_the_lecture_is_there_once():
    assert list(CLAIMS) == [f"C{n:02}" for n in range(1, 47)]
    assert list(ERRATA) == [f"E{n}" for n in range(1, 8)]
    assert {claim.kind for claim in CLAIMS.values()} <= {"A", "F", "M", "A/M", "F/M", "M/F"}
    assert all(len(claim.statement) > 20 for claim in CLAIMS.values())
    assert all(erratum.claim in CLAIMS for erratum in ERRATA.values())


@pytest.mark.parametrize(
    ("low", "high", "direction", "verdict"),
    [
        (0.6, 0.9, ">", HOLDS),
        (0.1, 0.4, ">", FAILS),
        (0.4, 0.6, ">", MIXED),
        (0.5, 0.9, ">", MIXED),
        (0.1, 0.4, "<", HOLDS),
        (0.6, 0.9, "<", FAILS),
        (None, 0.9, ">", UNTESTABLE),
        (math.nan, 0.9, ">", UNTESTABLE),
    ],
)
def test_the_whole_interval_decides(low, high, direction, verdict):
    assert decide(low, high, 0.5, direction) == verdict


@given(NUMBER, NUMBER, NUMBER)
def test_what_holds_one_way_does_not_hold_the_other(a, b, threshold):
    low, high = sorted((a, b))
    opposite = {HOLDS: FAILS, FAILS: HOLDS, MIXED: MIXED}
    assert decide(low, high, threshold, "<") == opposite[decide(low, high, threshold, ">")]


def test_an_interval_upside_down_and_an_unknown_direction_are_errors():
    with pytest.raises(ValueError, match="upside down"):
        decide(2, 1, 0)
    with pytest.raises(ValueError, match="direction"):
        decide(1, 2, 0, ">=")


def test_parts_must_agree():
    assert combine([HOLDS, HOLDS]) == HOLDS
    assert combine([HOLDS, FAILS]) == MIXED
    assert combine([HOLDS, UNTESTABLE]) == MIXED
    assert combine([]) == UNTESTABLE
    with pytest.raises(ValueError, match="no verdict"):
        combine(["yes"])
    assert len(VERDICTS) == 4
