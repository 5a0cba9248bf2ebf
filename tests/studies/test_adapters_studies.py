"""The adapters' studies: what they ask for, and the small sums that their numbers come from."""

import numpy as np
import pytest
import torch

from experiments.data import maps
from experiments.data.dataset import scenes
from experiments.data.render import render
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


def test_relief_is_what_a_depth_map_holds_beyond_the_floor_that_all_share():
    wanted = [s for s in scenes("train", 0, 60) if len(s.solids) == 2][:20]
    shown, mask = maps.condition("depth", wanted, drawn := render(wanted)), drawn.mask >= 0
    floor = shown.amin(0)
    left = adapters_relief.relief(shown, floor, (shown - floor).amax())
    assert left.dtype == torch.uint8 and left.amax() == 255
    assert left[:, 0][~mask].float().mean() < 2 < 40 < left[:, 0][mask].float().mean()
    assert adapters_relief.spread(left) > 1.5 * adapters_relief.spread(shown)
    again = adapters_relief.row()
    assert (again.kind, again.images, again.batch) == ("depth", RECIPES["controlnet-depth"].images, RECIPES["controlnet-depth"].batch)
