"""What no training scene shows: drawn beside the renderer, which it does not change."""

import torch

from experiments.data import novel
from experiments.data.render import render
from experiments.data.scenes import SHAPES, Scene, Solid


def one(shape, striped=False):
    return novel.Novelty(Solid(shape, "red", "large", "rubber", 0.1, -0.2, 0.4), "sand", striped)


def test_without_novelty_the_picture_is_the_renderers():
    things = [one(shape) for shape in SHAPES]
    assert torch.equal(novel.draw(things), render([Scene((t.solid,), t.floor) for t in things]).image)


def test_a_tower_is_taller_than_a_cone_and_stripes_are_white():
    tower, cone, striped = novel.draw([one("tower"), one("cone"), one("cube", True)])
    tip = lambda picture: ((picture[0].int() - picture[2].int() > 90).any(1)).nonzero().min()  # noqa: E731, the first row with red
    assert tip(tower) < tip(cone)
    assert (striped.amin(0) > 170).sum() > (novel.draw([one("cube")])[0].amin(0) > 170).sum() + 20


def test_a_picture_does_not_depend_on_its_batch():
    things = [novel.novelty(i) for i in range(4)]
    assert torch.equal(novel.draw(things)[2:3], novel.draw(things[2:3]))
    assert things == [novel.novelty(i) for i in range(4)]
    assert one("tower", True).text == "a striped red tower"
