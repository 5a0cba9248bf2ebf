"""Condition maps: each shows what it should of a scene, and nothing that it leaves open."""

import dataclasses

import numpy as np
import pytest
import torch

from experiments.data import maps
from experiments.data.dataset import scenes
from experiments.data.relief import floor, relief
from experiments.data.render import CAMERA, render
from experiments.data.scenes import Scene, Solid

LEFT = Solid("cube", "red", "large", "rubber", -0.9, 0.1, 0.3)
RIGHT = Solid("sphere", "blue", "small", "metal", 0.9, 0.1, 0.0)
SCENE = Scene((LEFT, RIGHT), "sand")


def changed(**attributes) -> Scene:
    return Scene((dataclasses.replace(LEFT, **attributes), RIGHT), "sand")


@pytest.mark.parametrize("kind", maps.KINDS)
def test_a_map_is_a_picture_that_colours_do_not_change(kind):
    first, other = maps.condition(kind, [SCENE]), maps.condition(kind, [Scene((dataclasses.replace(LEFT, colour="green"), RIGHT), "rose")])
    assert first.shape == (1, 3, 64, 64) and first.dtype == torch.uint8
    assert torch.equal(first, other) and first.float().std() > 5


@pytest.mark.parametrize(
    ("kind", "attribute", "seen"),
    [("pose", dict(rotation=1.0), True), ("pose", dict(shape="cone"), False), ("pose", dict(size="small"), False),
     ("typography", dict(shape="cone"), True), ("typography", dict(rotation=1.0), False),
     ("segmentation", dict(shape="cylinder"), True), ("spectrogram", dict(shape="cone"), True), ("spectrogram", dict(rotation=1.0), False),
     ("spectrogram", dict(size="small"), True), ("spectrogram", dict(y=0.6), True)],
)  # fmt: skip
def test_a_map_shows_what_the_table_says(kind, attribute, seen):
    assert torch.equal(maps.condition(kind, [SCENE]), maps.condition(kind, [changed(**attribute)])) != seen


def test_projection_agrees_with_the_renderer():
    drawn = render([SCENE])
    for k, solid in enumerate(SCENE.solids):
        ((column, row),) = maps.project([(solid.x, solid.y, solid.radius * 0.85)])
        x0, y0, x1, y1 = drawn.boxes[0, k].tolist()
        assert abs(column - (x0 + x1) / 2) < 2.5 and abs(row - (y0 + y1) / 2) < 2.5


def test_the_sound_has_a_tone_where_the_solid_stands():
    wave = maps.sound(Scene((RIGHT,), "sand"))
    middle = np.abs(wave).reshape(64, -1).mean(1).argmax() / 64
    assert abs(middle - (RIGHT.x + 2.2) / 4.4) < 0.08
    frequency = np.abs(np.fft.rfft(wave)).argmax() / maps.SECONDS
    assert abs(frequency - (256 + 720 * (RIGHT.y + 1.3) / 2.6)) < 12


def test_words_are_written_with_all_their_letters():
    assert all(set(shape) <= set(maps.GLYPHS) for shape in maps.SHAPES)
    assert all(len(glyph.split()) == 5 and all(len(row) == 3 for row in glyph.split()) for glyph in maps.GLYPHS.values())


def test_kept_maps_are_those_that_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path))
    assert torch.equal(maps.kept("pose", [SCENE] * 3, "x"), maps.condition("pose", [SCENE] * 3))
    assert torch.equal(maps.kept("pose", [SCENE] * 3, "x"), maps.kept("pose", [SCENE] * 3, "x"))


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(ValueError, match="edges, segmentation"):
        maps.condition("scribble", [SCENE])


@pytest.mark.parametrize("side", [64, 96])
def test_the_empty_floor_is_as_far_as_the_camera_says(side):
    """A point of the floor seen at pixel (column, row) is that far from the camera; depth is read in its first quarter."""
    found = floor(side)[0].float() / 255 * (maps.NEAR - maps.FAR) + maps.FAR
    for x in (-1.0, 0.0, 1.3):
        ((column, row),) = maps.project([(x, 0.4, 0.0)], side)
        assert found[int(row), int(column)] == pytest.approx(np.linalg.norm(np.subtract((x, 0.4, 0.0), CAMERA)), abs=0.12)  # a row of pixels is about as deep


def test_relief_is_black_on_the_floor_and_grows_with_what_stands_there():
    drawn = render([SCENE])
    shown = relief(maps.condition("depth", [SCENE], drawn))
    assert shown.shape == (1, 3, 64, 64) and shown.dtype == torch.uint8
    assert (shown[:, 0][drawn.mask < 0] == 0).all() and (shown[:, 0][drawn.mask >= 0] > 0).float().mean() > 0.97
    assert shown[:, 0][drawn.mask == 0].float().mean() > shown[:, 0][drawn.mask == 1].float().mean()  # the large one rises further


def test_no_training_scene_rises_above_the_full_range():
    some = [s for s in scenes("train", 0, 300) if len(s.solids) == 2]
    assert 200 < int(relief(maps.condition("depth", some)).amax()) <= 255
