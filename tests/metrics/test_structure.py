"""Structure is read right from renders, and wrong from others."""

import numpy as np
import pytest
import torch

from experiments.data.render import render
from experiments.metrics import structure
from experiments.metrics.checker import Detection
from experiments.metrics.held_out import held_out, truth


@pytest.fixture(scope="module")
def known():
    scenes = held_out("test", 8)
    return scenes, truth(scenes)


def test_outlines_of_renders_are_found_and_of_others_are_not(known):
    _, real = known
    assert structure.outline(real.image, real).mean() > 0.8
    assert structure.outline(real.image.roll(1, 0), real).mean() < 0.5


def test_rotation_is_found_by_trying(known):
    scenes, real = known
    assert structure.turned(real.image, scenes, real).max() < 5.1
    assert len(structure.turned(real.image, scenes, real)) == sum(s.shape == "cube" for scene in scenes for s in scene.solids)


def test_a_lost_solid_costs_a_quarter_of_the_picture(known):
    _, real = known
    x0, y0, x1, y1 = real.boxes[0, 0].tolist()
    there = Detection("cube", "red", "large", "rubber", 0, 0, (x0 + x1) / 2, (y0 + y1) / 2 + 3, 1)
    both = structure.distance([[there]], render([known[0][0]]))
    assert both[0] == pytest.approx((3 + structure.LOST) / 2, abs=0.2)
    assert structure.distance([[]], render([known[0][0]]))[0] == structure.LOST


def test_overlap_and_depth_are_perfect_for_the_truth(known):
    _, real = known
    said = structure.Structure((real.mask >= 0).float(), real.depth.clamp_max(structure.FAR))
    assert np.all(structure.overlap(said, real) == 1) and structure.depth_error(said, real).max() < 1e-5
    nothing = structure.Structure(torch.zeros_like(said.solid), said.depth)
    assert np.all(structure.overlap(nothing, real) == 0)


@pytest.mark.skipif(not (structure.FOLDER / "model.safetensors").exists(), reason="the reader is not trained yet")
def test_the_shipped_reader_sees_solids(known):
    _, real = known
    assert structure.overlap(structure.read(real.image), real).mean() > 0.8
