"""Scenes: deterministic, well-formed, and split so that some combinations are never seen in training."""

import subprocess
import sys
from collections import Counter
from itertools import combinations
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data.scenes import (
    COLOURS, FLOOR_Y, FLOORS, GAP, MARGIN, MATERIALS, RELATIONS, SHAPES, SIZES, SPLITS, Scene, Solid, kinds,
    sample_scene, withheld,
)

OPPOSITE = {"left": "right", "right": "left", "in front": "behind", "behind": "in front"}
index, seed, split = st.integers(0, 10**9), st.integers(0, 100), st.sampled_from(SPLITS)


def pairs(scene):
    return {(s.colour, s.shape) for s in scene.solids}


@given(index, seed, split)
def test_a_scene_is_the_same_each_time(i, s, name):
    assert sample_scene(i, s, name) == sample_scene(i, s, name)


def test_a_scene_does_not_depend_on_what_was_drawn_before():
    forward = [sample_scene(i) for i in range(50)]
    backward = [sample_scene(i) for i in reversed(range(50))]
    assert forward == backward[::-1]


def test_a_scene_is_the_same_in_another_process():
    code = "from experiments.data.scenes import sample_scene; print([sample_scene(i, 3, 'test') for i in range(20)])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == repr([sample_scene(i, 3, "test") for i in range(20)])


def test_index_seed_and_split_each_give_another_scene():
    drawn = {sample_scene(i, s, name) for i in range(20) for s in range(3) for name in SPLITS}
    assert len(drawn) == 20 * 3 * len(SPLITS)


@given(index, seed, split, st.sampled_from([None, 1, 2, 3, 4]))
def test_a_scene_is_well_formed(i, s, name, count):
    scene = sample_scene(i, s, name, count)
    assert len(scene.solids) == count if count else 1 <= len(scene.solids) <= 4
    assert scene.floor in FLOORS
    for solid in scene.solids:
        assert solid.shape in SHAPES and solid.colour in COLOURS and solid.size in SIZES and solid.material in MATERIALS
        assert abs(solid.y) <= FLOOR_Y
    for a, b in combinations(scene.solids, 2):
        assert hypot(a.x - b.x, (a.y - b.y) / 1.35) > a.radius + b.radius + GAP - 1e-9


@given(index, seed, st.sampled_from(["train", "validation", "test"]))
def test_withheld_combinations_are_shown_nowhere_else(i, s, name):
    assert not pairs(sample_scene(i, s, name)) & withheld()


@given(index, seed, st.sampled_from([None, 1, 4]))
def test_split_withheld_always_shows_one(i, s, count):
    first = sample_scene(i, s, "withheld", count).solids[0]
    assert (first.colour, first.shape) in withheld()


def test_training_misses_combinations_but_no_colour_and_no_shape():
    assert {c for c, _ in withheld()} == {c for c, _ in kinds(False)} == set(COLOURS)
    assert {s for _, s in withheld()} == {s for _, s in kinds(False)} == set(SHAPES)
    assert set(kinds(False)) | set(kinds(True)) == {(c, s) for c in COLOURS for s in SHAPES}
    assert len(kinds(False)) == 24 and len(kinds(True)) == 8


def test_frequencies():
    scenes = [sample_scene(i) for i in range(4000)]
    counts = Counter(len(s.solids) for s in scenes)
    for n, share in zip((1, 2, 3, 4), (0.3, 0.4, 0.2, 0.1)):
        assert abs(counts[n] / 4000 - share) < 0.03
    seen = Counter((s.colour, s.shape) for scene in scenes for s in scene.solids)
    assert set(seen) == set(kinds(False)) and min(seen.values()) > 0.7 * max(seen.values())


@given(index, st.integers(2, 4))
def test_relations_have_opposites_and_neighbours_always_one(i, count):
    scene = sample_scene(i, count=count)
    for a, b in combinations(range(count), 2):
        there, back = scene.related(a, b), scene.related(b, a)
        assert there and {OPPOSITE[r] for r in there} == set(back)


def test_relations_by_hand():
    def at(x, y):
        return Solid("cube", "red", "small", "metal", x, y, 0.0)

    scene = Scene((at(-1, -1), at(1, 1), at(1 + 0.9 * MARGIN, 1)), "gray")
    assert scene.related(0, 1) == ("left", "in front")  # y grows away from the viewer
    assert scene.related(1, 0) == ("right", "behind")
    assert scene.related(1, 2) == ()
    assert set(RELATIONS) == set(OPPOSITE)


@pytest.mark.parametrize("arguments, named", [
    ({"split": "dev"}, "validation"), ({"count": 5}, "1 to 4"), ({"count": 0}, "1 to 4"),
])
def test_errors_name_what_is_valid(arguments, named):
    with pytest.raises(ValueError, match=named):
        sample_scene(0, **arguments)
