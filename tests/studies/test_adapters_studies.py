"""The adapters' studies: what they ask for, and the small sums that their numbers come from."""

import numpy as np
import pytest
import torch

from experiments.data import maps
from experiments.data.dataset import scenes
from experiments.data.relief import relief
from experiments.metrics.alignment import check
from experiments.models.recipes import RECIPES
from experiments.studies import adapters_control, adapters_image, adapters_relief, adapters_weights


@pytest.mark.parametrize("module", [adapters_control, adapters_image, adapters_relief, adapters_weights])
def test_parts_are_named_once(module):
    parts = list(module.parts())
    assert len(parts) == len(set(parts)) and module.STUDIES[0].name.startswith("adapters-")


def test_energy_of_a_matrix_of_rank_two_lies_in_two_directions():
    found = adapters_weights.energy(torch.randn(20, 2) @ torch.randn(2, 30))
    assert found[1] == pytest.approx(1, abs=1e-3) and found[0] < 1 and found[-1] <= 2
    assert found[:-1] == sorted(found[:-1])


def test_the_opposing_prompt_keeps_colours_and_names_other_shapes():
    scene = next(s for s in scenes("test", 0, 20) if len(s.solids) == 2)
    text = adapters_control.opposed(scene)
    assert all(s.colour in text for s in scene.solids)
    assert check(adapters_control._shapes(scene, 0), scene.solids).ok
    assert not check(adapters_control._shapes(scene, 2), scene.solids).ok


def test_scores_are_plain_numbers():
    found = adapters_control.plain({"a": np.array([0.12345, 1.0], dtype=np.float32)})
    assert found == {"a": [0.123, 1.0]}


def test_relief_varies_more_than_the_depth_that_it_is_taken_from():
    shown = maps.condition("depth", [s for s in scenes("train", 0, 60) if len(s.solids) == 2][:20])
    assert adapters_relief.spread(relief(shown)) > 1.5 * adapters_relief.spread(shown)


def test_the_network_on_whole_depth_has_the_plan_of_the_one_that_ships():
    again, ships = adapters_relief.row(), RECIPES["controlnet-depth"]
    assert (again.kind, again.images, again.batch, again.seed) == ("depth", ships.images, ships.batch, ships.seed)
    assert ships.config["kind"] == "relief"
