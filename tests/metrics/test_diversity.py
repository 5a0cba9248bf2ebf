"""Precision, recall and spread against sets whose answer is known; real pictures that match prompts."""

import pytest
import torch

from experiments.data.prompts import prompts
from experiments.metrics import diversity, matched
from experiments.metrics.alignment import check


def test_a_set_covers_itself_and_not_what_is_far():
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    assert diversity.precision_recall(x, x) == (1.0, 1.0)
    assert diversity.precision_recall(x, x + 100) == (0.0, 0.0)


def test_a_collapsed_set_is_precise_and_recalls_little():
    g = torch.Generator().manual_seed(0)
    real = torch.randn(200, 3, generator=g)
    found = diversity.precision_recall(0.05 * torch.randn(200, 3, generator=g), real)
    assert found.precision > 0.95 and found.recall < 0.1


def test_too_few_pictures_are_refused():
    with pytest.raises(ValueError, match="too few for 3 neighbours: give more than 3"):
        diversity.precision_recall(torch.randn(3, 2), torch.randn(9, 2))


def test_spread_is_the_variance_among_seeds():
    drawn = torch.stack([torch.zeros(4, 2), torch.full((4, 2), 2.0)])  # 2 seeds, 4 prompts, 2 features
    assert diversity.spread(drawn).tolist() == [4.0] * 4  # a variance of 2 for each feature


def test_saturation_and_clipping_of_plain_colours():
    gray, red = torch.full((3, 4, 4), 128), torch.tensor([255, 0, 0]).view(3, 1, 1).expand(3, 4, 4)
    pictures = torch.stack([gray, red]).to(torch.uint8)
    assert diversity.saturation(pictures).tolist() == [0.0, 1.0]
    assert diversity.clipped(pictures).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("category", ["single object", "counting", "position", "colour attribution"])
def test_matched_scenes_show_what_is_asked_and_nothing_else(category):
    from experiments.data.scenes import sample_scene

    wanted = [p for p in prompts("test", category, 6) if p.wanted.count != 4]
    pool = 3000
    for prompt, number in zip(wanted, matched.numbers(wanted, 0, pool)):
        scene = sample_scene(number)
        assert check(prompt.wanted, scene.solids).ok
        assert len(scene.solids) == (prompt.wanted.count or len(prompt.wanted.solids))
    assert matched.numbers(wanted, 0, pool) == matched.numbers(wanted, 0, pool)
    with pytest.raises(ValueError, match="none of 5 training scenes is .* look at more scenes"):
        matched.numbers(prompts("test", "colour attribution", 3), 0, 5)
