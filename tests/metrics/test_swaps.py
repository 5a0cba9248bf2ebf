"""Wrong captions are wrong as they say, and choosing finds who binds."""

import torch

from experiments.data.scenes import Scene, Solid, sample_scene
from experiments.metrics.swaps import choices, margins, recoloured, swapped


def solid(shape, colour, x=0.0):
    return Solid(shape, colour, "small", "rubber", x, 0.0, 0.0)


def scene(*solids):
    return Scene(solids, "gray")


def test_a_swap_exchanges_the_colours_of_the_first_two():
    other = swapped(scene(solid("cube", "red"), solid("sphere", "blue"), solid("cone", "green")))
    assert [(s.shape, s.colour) for s in other.solids] == [("cube", "blue"), ("sphere", "red"), ("cone", "green")]


def test_where_a_swap_says_the_same_there_is_none():
    assert swapped(scene(solid("cube", "red"), solid("cube", "blue"))) is None
    assert swapped(scene(solid("cube", "red"), solid("sphere", "red"))) is None
    assert swapped(scene(solid("cube", "red"), solid("sphere", "blue"), solid("cube", "blue"))) is None


def test_a_foreign_colour_is_not_in_the_scene():
    one = scene(solid("cube", "red"), solid("sphere", "blue"))
    for k in range(9):
        assert recoloured(one, k).solids[0].colour not in ("red", "blue")


def test_choices_have_the_number_of_solids_and_the_same_words():
    found = choices([sample_scene(i, 0, "validation") for i in range(60)], 2, 5)
    assert len(found) == 5
    for choice in found:
        assert len(choice.scene.solids) == 2 and choice.true != choice.false
        assert sorted(choice.true.split()) == sorted(choice.false.split())


def test_the_caption_that_predicts_better_wins():
    codes = torch.randn(4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    true, false = torch.ones(4, 1, 1), torch.zeros(4, 1, 1)

    def knows(x, timestep, words):  # under the true caption the data are known; under the other one they are not
        t = (timestep / 1000).view(-1, 1, 1, 1)
        return (x - codes) / t * words.view(-1, 1, 1, 1)

    assert (margins(knows, codes, true, false) > 1).all()
    assert (margins(knows, codes, false, true) < 0).all()
    assert (margins(lambda x, t, w: 0 * x, codes, true, false) == 0).all()
