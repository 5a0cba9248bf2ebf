"""Studies: measured once, resumed part by part, never read when stale."""

import json

import pytest

from experiments.studies import study
from experiments.studies.study import Study, about, recorded, run


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(study, "FOLDER", tmp_path / "studies")
    return tmp_path / "studies"


def squares(calls, stop_at=None, **more):
    def measure(word, number):
        if number == stop_at:
            raise KeyboardInterrupt
        calls.append(number)
        return {"value": number**2, "word": word}

    return Study("squares", lambda: [("n", 3), ("n", 1), ("n", 2)], measure, ("experiments.data.scenes",), **more)


def test_a_study_is_measured_once_and_read_by_part(place):
    calls = []
    run(squares(calls), tell=str)
    run(squares(calls), tell=str)
    assert calls == [3, 1, 2]
    assert recorded(squares([]), place)[("n", 2)] == {"value": 4, "word": "n"}
    assert about(squares([]), place)["threads"] >= 1


def test_a_killed_study_goes_on_where_it_was_and_keeps_what_it_had(place):
    calls = []
    with pytest.raises(KeyboardInterrupt):
        run(squares(calls, stop_at=2), tell=str)
    assert set(recorded(squares([]), place)) == {("n", 3), ("n", 1)}
    run(squares(calls), tell=str)
    assert calls == [3, 1, 2] and len(recorded(squares([]), place)) == 3


def test_what_other_settings_measured_is_not_read(place):
    run(squares([]), tell=str)
    assert recorded(squares([], settings={"n": 7}), place) == {}


def test_a_budget_stops_between_parts(place):
    calls, said = [], []
    run(squares(calls), minutes=-1, tell=said.append)
    assert calls == [] and "0 of 3 parts" in said[0]
    assert json.loads((place / "squares.json").read_text())["parts"] == []


def test_a_study_whose_weights_are_not_there_reads_as_not_measured(place):
    run(squares([]), tell=str)
    assert recorded(squares([], needs=("no-such-weights",)), place) == {}


def test_a_wrong_name_is_answered_with_the_nearest(monkeypatch):
    monkeypatch.setattr(study, "all_studies", lambda: [squares([])])
    with pytest.raises(ValueError, match="did you mean squares"):
        study.find("sqares")


def test_every_study_has_a_name_of_its_own_and_parts_that_differ():
    found = study.all_studies()
    assert len({one.name for one in found}) == len(found)
    for one in found:
        parts = [tuple(part) for part in one.parts()]
        assert parts and len(set(map(str, parts))) == len(parts), one.name


@pytest.mark.parametrize("kept", sorted(study.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_what_is_kept_was_measured_by_this_code_and_these_weights(kept):
    """A chapter reads nothing from a record of another version, and would say "not measured" without any other sign of it."""
    one = study.find(kept.stem)
    assert json.loads(kept.read_text(encoding="utf-8"))["made_of"] == one.made(), f"run `python -m experiments study {one.name}` and commit it"
