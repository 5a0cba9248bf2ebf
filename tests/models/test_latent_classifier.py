"""The classifier of latents: what its answers say about a requirement, and what the truth about a scene is."""

import math

import torch

from experiments.data.prompts import Requirement, Wanted
from experiments.data.scenes import COLOURS, SHAPES, Scene, Solid
from experiments.models.latent_classifier import PAIRS, LatentClassifier, log_probability, truth


def test_answers_have_their_shapes_and_differ_by_time():
    torch.manual_seed(0)
    reader = LatentClassifier(in_channels=4, width=16, norm_num_groups=4)
    x = torch.randn(2, 4, 8, 8)
    counts, presence = reader(x, torch.tensor(10))
    assert counts.shape == (2, 4, 5) and presence.shape == (2, len(COLOURS) * len(SHAPES))
    assert not torch.allclose(counts, reader(x, torch.tensor(900))[0])


def test_the_truth_counts_shapes_and_pairs():
    def solid(shape, colour):
        return Solid(shape, colour, "small", "metal", 0.0, 0.0, 0.0)

    counts, there = truth([Scene((solid("cube", "red"), solid("cube", "red"), solid("cone", "blue")), "gray")])
    assert counts.tolist() == [[0, 2, 0, 1]]
    assert [pair for pair, present in zip(PAIRS, there[0]) if present] == [("red", "cube"), ("blue", "cone")]


def test_a_requirement_is_a_product_of_answers():
    even, presence = torch.zeros(4, 4, 5), torch.zeros(4, 32)
    presence[:, PAIRS.index(("red", "cube"))] = math.log(3)  # a chance of 3/4
    wanted = [
        Requirement((Wanted("sphere"),)),  # at least one of 0 to 4: 4/5
        Requirement((Wanted("cube"),), count=3),  # 1/5
        Requirement((Wanted("cube", "red"), Wanted("cone"))),  # 3/4 of 4/5
        Requirement((Wanted("cone"), Wanted("cone"))),  # at least two: 3/5
    ]
    expected = torch.tensor([0.8, 0.2, 0.6, 0.6]).log()
    torch.testing.assert_close(log_probability(even, presence, wanted), expected)
