"""Seconds by turns: every round asks every model for the same pictures, and a host that slows down slows all of them."""

import pytest

from experiments.studies import study, turns

COST = {"quick": 1.0, "slow": 3.0}  # work of a picture
SLOWER = 1.01  # from one call to the next


@pytest.fixture
def workshop(monkeypatch, tmp_path):
    """Two models on a host whose speed falls from round to round; what each call was asked."""
    asked, now, speed = [], [0.0], [1.0]

    def draw(pipe, wanted, seed, batch, **call):
        asked.append((pipe, tuple(p.id for p in wanted), seed, call["steps"]))
        now[0] += COST[pipe] * len(wanted) * speed[0]
        speed[0] *= SLOWER

    monkeypatch.setattr(turns, "generate", draw)
    monkeypatch.setattr(turns, "CLOCK", lambda: now[0])
    monkeypatch.setattr(turns, "pipelines", lambda: {name: name for name in COST})
    monkeypatch.setattr(turns.zoo, "defaults", lambda name: {"steps": 2})
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path))
    return asked


@pytest.mark.parametrize(("kind", "first"), turns.parts())
def test_each_round_asks_each_model_once_for_the_same_pictures(workshop, kind, first):
    found = turns.measure(kind, first)
    calls = {(name, size) for name in COST for size in turns.SIZES[kind]}
    rounds = [workshop[k : k + len(calls)] for k in range(0, len(workshop), len(calls))]
    assert len(rounds) == 1 + turns.ROUNDS[kind]  # the first does not count
    assert all({(who, len(ids)) for who, ids, *_ in each} == calls for each in rounds)
    assert len({tuple(rest) for _, *rest in workshop}) == len(turns.SIZES[kind])  # the same call for each size
    assert len({tuple((who, len(ids)) for who, ids, *_ in each) for each in rounds[1:]}) > 1  # in another order now and then
    for taken in found.values():
        for quick, slow in zip(taken["quick"], taken["slow"], strict=True):
            assert slow / quick == pytest.approx(3.0, rel=SLOWER ** len(calls) - 1)  # all rounds slow down by more
        assert max(taken["quick"]) > 1.15 * min(taken["quick"])


def test_the_table_takes_what_was_measured_by_turns_and_leaves_the_rest(workshop, monkeypatch, tmp_path):
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    one = study.Study("seconds-by-turns", turns.parts, turns.measure, ("experiments.studies.turns",))
    monkeypatch.setattr(turns, "STUDY", one)
    monkeypatch.setattr(turns, "recorded", lambda asked: study.recorded(asked, tmp_path))
    members = {"quick": {"calls": [[9.0]], "batches": {"2": [9.0, 9.0, 9.0, 1]}, "cold": 5.0}, "unknown": {"calls": [[8.0]], "batches": {}}}
    assert turns.by_turns(members) == members  # nothing is recorded yet
    study.run(one, tell=lambda line: None)
    told = turns.by_turns(members)
    assert told["unknown"] == members["unknown"] and told["quick"]["cold"] == 5.0
    assert [len(row) for row in told["quick"]["calls"]] == [turns.ROUNDS["alone"]] * turns.PROMPTS
    middle, low, high, n = told["quick"]["batches"]["8"]
    assert low <= middle <= high and n == turns.ROUNDS["batches"]
