"""How numbers of a record read on a page."""

import pytest
from evidence import wording


def found(value, low=None, high=None, **more):
    return {"value": value, "low": low, "high": high, "n": None, "unit": None, "interval": None, "seeds": []} | more


@pytest.mark.parametrize(
    ("value", "form", "said"),
    [
        (None, "", "not measured"),
        (None, ".2f", "not measured"),
        (0.91324, "", "0.913"),
        (0.91324, ".1f", "0.9"),
        (0.0, "", "0"),
        (600, "", "600"),
        (124000.0, "", "124,000"),
        (156.48, "", "156.5"),
        (0.00123, "", "0.0012"),
    ],
)
def test_number(value, form, said):
    assert wording.number(value, form) == said


def test_metric_gives_value_and_ends_the_same_decimals():
    assert wording.metric(found(0.9, 0.87, 0.95, unit="share", n=600)) == "0.900 share (0.870 to 0.950, n = 600)"
    assert wording.metric(found(12, 11.5, 13.25, interval="95%")) == "12.00 (11.50 to 13.25, 95%)"


def test_metric_without_interval_does_not_claim_one():
    assert wording.metric(found(0.5, interval="95% bootstrap")) == "0.5"
    assert wording.metric(None) == "not measured"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "not measured"),
        (0.4214, "0.42 s"),
        (41.3, "41 s"),
        (59.7, "1 min 00 s"),
        (192.4, "3 min 12 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration(seconds, said):
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(("mib", "said"), [(None, "not measured"), (812.4, "812 MiB"), (3174.4, "3.1 GiB")])
def test_memory(mib, said):
    assert wording.memory(mib) == said


def test_commit_says_when_the_tree_had_changes():
    assert wording.commit({"commit": "0123456789", "dirty": False}) == "commit 0123456"
    assert wording.commit({"commit": "0123456789", "dirty": True}) == "commit 0123456 with local changes"
    assert wording.commit({"commit": None}) == "no commit"


def test_the_ends_of_a_share_keep_three_decimals():
    assert wording.metric(found(0.9997, 0.9987, 1.0)) == "1.000 (0.999 to 1.000)"


def test_count_says_when_numbers_rest_on_different_n():
    assert wording.count({"n": 600, "metrics": {"a": {"n": 600}, "b": {"n": None}}}) == "n = 600"
    assert wording.count({"n": 3000, "metrics": {"a": {"n": 600}, "b": {"n": 3000}}}) == "n up to 3,000"
    assert wording.count({"n": None, "metrics": {}}) == "n not measured"


def test_seeds():
    assert wording.seeds([0]) == "seed 0"
    assert wording.seeds([0, 1, 2]) == "seeds 0, 1, 2"
    assert wording.seeds(range(16)) == "16 seeds"
    assert wording.seeds([]) == "seeds not recorded"
