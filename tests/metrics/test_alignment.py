"""Verdicts: each category met and missed, the reason given, swapped attributes named as such."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data.prompts import Prompt, Requirement, Wanted
from experiments.data.scenes import COLOURS, MARGIN, MATERIALS, SHAPES, SIZES, sample_scene
from experiments.metrics.alignment import FAULTS, by_category, check, faults, overall
from experiments.metrics.ceiling import questions
from experiments.metrics.checker import Detection


def seen(shape="cube", colour="red", x=0.0, y=0.0, size="large", material="rubber") -> Detection:
    return Detection(shape, colour, size, material, x, y, 32.0, 32.0, 0.9)


RED_CUBE, BLUE_BALL = seen("cube", "red", x=-1), seen("sphere", "blue", x=1)
BOUND = Requirement((Wanted("cube", "red"), Wanted("sphere", "blue")))


@pytest.mark.parametrize(("requirement", "found", "fault", "reason"), [
    (Requirement((Wanted("cube"),)), [RED_CUBE, BLUE_BALL], None, "found cube"),
    (Requirement((Wanted("cone"),)), [RED_CUBE], "missing", "no cone: found large red rubber cube"),
    (Requirement((Wanted("cone"),)), [], "missing", "no cone: found nothing"),
    (Requirement((Wanted("cube"), Wanted("sphere"))), [RED_CUBE, BLUE_BALL], None, "found cube and sphere"),
    (Requirement((Wanted("cube"), Wanted("cube"))), [RED_CUBE], "missing", "expected 2 cubes, found 1"),
    (Requirement((Wanted("cube"),), count=2), [RED_CUBE], "wrong count", "expected 2 cubes, found 1"),
    (Requirement((Wanted("cube"),), count=1), [RED_CUBE] * 3, "wrong count", "expected 1 cube, found 3"),
    (Requirement((Wanted("cube"),), count=2), [RED_CUBE, RED_CUBE, BLUE_BALL], None, "found 2 cubes"),
    (Requirement((Wanted("cube", "blue"),)), [RED_CUBE], "wrong attribute", "no blue cube: found red cube instead"),
    (Requirement((Wanted("cube", "red"),)), [BLUE_BALL, RED_CUBE], None, "found red cube"),
    (BOUND, [RED_CUBE, BLUE_BALL], None, "found red cube and blue sphere"),
    (BOUND, [seen("cube", "blue"), seen("sphere", "green")], "wrong attribute", "no red cube: found blue cube instead"),
])
def test_each_category_met_and_missed(requirement, found, fault, reason):
    verdict = check(requirement, found)
    assert (verdict.ok, verdict.fault) == (fault is None, fault)
    assert reason in verdict.reason


def test_swapped_colours_are_recognised_as_a_swap():
    verdict = check(BOUND, [seen("cube", "blue"), seen("sphere", "red")])
    assert not verdict.ok and verdict.fault == "swapped attributes"
    assert verdict.reason.startswith("swapped colours: expected red cube and blue sphere, found")
    assert "blue rubber cube" in verdict.reason and "red rubber sphere" in verdict.reason


@pytest.mark.parametrize(("name", "one", "two"), [("size", "small", "large"), ("material", "rubber", "metal")])
def test_swapped_sizes_and_materials_too(name, one, two):
    wanted = Requirement((Wanted("cube", **{name: one}), Wanted("sphere", **{name: two})))
    assert check(wanted, [seen("cube", **{name: one}), seen("sphere", **{name: two})]).ok
    verdict = check(wanted, [seen("cube", **{name: two}), seen("sphere", **{name: one})])
    assert verdict.fault == "swapped attributes" and f"swapped {name}s" in verdict.reason


def test_a_swap_in_the_presence_of_the_right_pair_is_no_fault():
    assert check(BOUND, [seen("cube", "blue"), seen("sphere", "red"), RED_CUBE, BLUE_BALL]).ok


DIRECTIONS = [("left", -1, 0), ("right", 1, 0), ("in front", 0, -1), ("behind", 0, 1)]


@pytest.mark.parametrize(("relation", "x", "y"), DIRECTIONS)
def test_positions(relation, x, y):
    wanted = Requirement((Wanted("cube"), Wanted("sphere")), relation=relation)
    assert check(wanted, [seen("cube", x=x, y=y), seen("sphere")]).ok
    turned = check(wanted, [seen("cube", x=-x, y=-y), seen("sphere")])
    assert turned.fault == "wrong relation" and "the other way round" in turned.reason
    level = check(wanted, [seen("cube", x=0.2 * MARGIN * x, y=0.2 * MARGIN * y), seen("sphere")])
    assert level.fault == "wrong relation" and "level with each other" in level.reason
    assert check(wanted, [seen("sphere")]).fault == "missing"


def test_a_position_is_met_by_any_pair_that_fits():
    wanted = Requirement((Wanted("cube"), Wanted("sphere")), relation="left")
    assert check(wanted, [seen("cube", x=1.5), seen("cube", x=-1.5), seen("sphere")]).ok


def test_one_solid_does_not_count_for_two():
    verdict = check(Requirement((Wanted("cube"), Wanted(None, "red"))), [RED_CUBE])
    assert not verdict.ok and "cannot be both" in verdict.reason


@given(st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_a_scene_meets_what_is_said_of_it_in_every_order(index):
    scene = sample_scene(index, seed=5)
    for question in questions(scene, index):
        verdicts = {check(question.requirement, order)[::2] for order in permutations(scene.solids)}
        assert len(verdicts) == 1, "a verdict must not depend on the order of detections"
        assert verdicts.pop()[0] == question.truth


solids = st.builds(seen, st.sampled_from(SHAPES), st.sampled_from(COLOURS), st.floats(-2, 2), st.floats(-2, 2),
                   st.sampled_from(SIZES), st.sampled_from(MATERIALS))


@given(st.lists(solids, max_size=5), st.lists(st.builds(Wanted, st.sampled_from(SHAPES), st.sampled_from(COLOURS)),
                                              min_size=1, max_size=2))
@settings(max_examples=200, deadline=None)
def test_more_solids_never_harm_except_to_a_count(found, wanted):
    requirement = Requirement(tuple(wanted))
    verdict = check(requirement, found)
    assert (verdict.fault is None) == verdict.ok and (verdict.ok or verdict.fault in FAULTS)
    assert check(requirement, [*found, *(seen(w.shape, w.colour) for w in wanted)]).ok
    if verdict.ok:
        assert check(requirement, [*found, seen("cone")]).ok


def test_tables():
    names = ["counting"] * 4 + ["colours"] * 2
    prompts = [Prompt(f"p{i}", name, "", Requirement((Wanted("cube"),))) for i, name in enumerate(names)]
    verdicts = [check(p.wanted, [RED_CUBE] if i != 2 else []) for i, p in enumerate(prompts)]
    table = by_category(prompts, verdicts)
    assert list(table) == ["counting", "colours"]
    assert (table["counting"].value, table["counting"].n, table["colours"].value) == (0.75, 4, 1.0)
    assert table["counting"].low < 0.75 < table["counting"].high
    total = overall(table)
    assert total.value == pytest.approx(0.875) and total.n == 6 and total.low < 0.875 <= total.high
    assert faults(verdicts)["missing"] == 1 and sum(faults(verdicts).values()) == 1
