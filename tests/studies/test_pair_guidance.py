"""Guidance of pairs: what differs between the arms, and that a student which is its teacher misses nothing."""

from experiments.data.prompts import CATEGORIES
from experiments.models.recipes import RECIPES
from experiments.studies import pair_guidance as study


def test_arms_differ_in_the_weight_of_their_pairs_alone():
    row = RECIPES["mini-2-rectified-flow"]
    one, other = study.recipe(1.0, 0), study.recipe(8.0, 0)
    assert one.config["pairs"]["call"] == dict(row.config["pairs"]["call"]) | dict(guidance_scale=1.0)
    assert {k for k in one.config if one.config[k] != other.config[k]} == {"pairs"}
    assert one.config["pairs"]["solver"] == other.config["pairs"]["solver"] and one.made() != other.made() != study.recipe(8.0, 1).made()
    assert study.recipe(4.0, 0).config == row.config


def test_seeds_come_one_after_the_other_and_pictures_are_a_thousand():
    assert [seed for _, seed in study.STUDY.parts()] == sorted(seed for _, seed in study.STUDY.parts())
    assert study.EACH * len(CATEGORIES) * len(study.SEEDS) >= 1000
