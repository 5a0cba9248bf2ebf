"""Prompts: in the words of the captions, tuning and testing apart, reproducible."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data.captions import caption
from experiments.data.prompts import CATEGORIES, OPPOSITE, SPLITS, Requirement, Wanted, prompt_hash, prompts, text
from experiments.data.scenes import Solid, sample_scene, withheld

CATEGORY, SPLIT = st.sampled_from(CATEGORIES), st.sampled_from(SPLITS)
DIVIDED = ("colours", "position", "colour attribution")
SPACE = dict(zip(CATEGORIES, (4, 12, 12, 24, 48, 384)))


def wish(prompt):
    """What is asked for, whichever solid is named first."""
    a = prompt.wanted
    if a.relation in ("right", "behind"):
        a = Requirement(a.solids[::-1], a.count, OPPOSITE[a.relation])
    return (a.solids if a.relation else frozenset(a.solids)), a.count, a.relation


@given(SPLIT, CATEGORY, st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_longer_list_begins_with_the_shorter(split, category, n, more, seed):
    long = prompts(split, category, n + more, seed)
    assert prompts(split, category, n, seed) == long[:n] and len(long) == n + more
    assert len({p.id for p in long}) == len(long)


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_text_comes_once_before_any_comes_twice(category):
    found = prompts("test", category, 500)
    times = Counter(p.text for p in found)
    assert max(times.values()) - min(times.values()) <= 1
    assert len({p.text for split in SPLITS for p in prompts(split, category, 500)}) == SPACE[category]
    if len(times) <= 12:  # each round in an order of its own
        rounds = [tuple(p.text for p in found[k : k + len(times)]) for k in range(0, 10 * len(times), len(times))]
        assert len(set(rounds)) > 5


@pytest.mark.parametrize("category", CATEGORIES)
def test_tuning_and_testing_ask_for_different_things(category):
    tune, test = ({wish(p) for p in prompts(s, category, 500)} for s in SPLITS)
    assert (not tune & test and len(tune) * 2 == len(test)) if category in DIVIDED else tune == test
    assert not {p.id for p in prompts("tune", category, 50)} & {p.id for p in prompts("test", category, 50)}


def test_every_wording_occurs_among_training_captions():
    """All texts except those of rare scenes: four solids of one shape (1 scene in 640)."""
    scenes = map(sample_scene, range(12_000))
    said = {caption(s, "en", k) for s in scenes for k in (2, 4)}
    for category in CATEGORIES:
        asked = {p.text for split in SPLITS for p in prompts(split, category, 500)}
        missed = {t for t in asked - said if not t.startswith("four")}
        assert len(missed) <= 0.05 * len(asked), missed
        if category != "colour attribution":
            assert not missed


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("language", ["en", "zh", "vi"])
def test_languages_ask_for_the_same(category, language):
    here, there = prompts("test", category, 40, language=language), prompts("test", category, 40)
    assert [(p.id, p.wanted) for p in here] == [(p.id, p.wanted) for p in there]
    assert len({p.text for p in here}) == len({p.text for p in there})


@pytest.mark.parametrize("category", ["colours", "colour attribution"])
@pytest.mark.parametrize("split", SPLITS)
def test_withheld_prompts_name_one_combination_that_training_lacks(split, category):
    for asked, number in ((True, 1), (False, 0)):
        for p in prompts(split, category, 300, withheld=asked):
            assert sum((w.colour, w.shape) in withheld() for w in p.wanted.solids) == number


def test_requirements_by_hand():
    cube, red_cube, blue_sphere = Wanted("cube"), Wanted("cube", "red"), Wanted("sphere", "blue")
    assert text(Requirement((cube,))) == "a cube"
    assert text(Requirement((cube,), count=3)) == "three cubes"
    assert text(Requirement((red_cube,), count=2)) == "two red cubes"
    assert text(Requirement((red_cube, blue_sphere))) == "a red cube and a blue sphere"
    assert text(Requirement((cube, Wanted("sphere")), relation="left")) == "a cube to the left of a sphere"
    assert text(Requirement((Wanted("cone", "red", "large", "metal"),))) == "a large red metal cone"


@pytest.mark.parametrize("category", CATEGORIES)
def test_shape_of_requirements(category):
    for p in prompts("test", category, 100):
        solids, n, relation = p.wanted.solids, p.wanted.count, p.wanted.relation
        assert p.category == category and len({w.shape for w in solids}) == len(solids)
        assert len(solids) == (2 if category in ("two objects", "position", "colour attribution") else 1)
        assert (n in (2, 3, 4)) == (category == "counting") and bool(relation) == (category == "position")
        assert all(bool(w.colour) == category.startswith("colour") for w in solids)
        assert category != "colour attribution" or solids[0].colour != solids[1].colour


def test_wanted_fits():
    cube = Solid("cube", "red", "small", "metal", 0.0, 0.0, 0.0)
    for fitting in (Wanted(), Wanted("cube", "red"), Wanted(size="small", material="metal")):
        assert fitting.fits(cube)
    for other in (Wanted("cube", "blue"), Wanted("cone"), Wanted(size="large"), Wanted(material="rubber")):
        assert not other.fits(cube)


def test_the_hash_tells_lists_apart():
    base = prompts("test", "colours", 20)
    assert prompt_hash(base) == prompt_hash(prompts("test", "colours", 20))
    shuffled, spoken = prompts("test", "colours", 20, seed=1), prompts("test", "colours", 20, language="vi")
    assert len({prompt_hash(p) for p in (base, base[:19], base[::-1], shuffled, spoken)}) == 5


@pytest.mark.parametrize("arguments, named", [
    (("train", "colours"), "tune, test"), (("test", "colors"), "colour attribution"),
])
def test_errors_name_what_is_valid(arguments, named):
    with pytest.raises(ValueError, match=named):
        prompts(*arguments, 3)
    with pytest.raises(ValueError, match="names no colour"):
        prompts("test", "position", 3, withheld=True)
