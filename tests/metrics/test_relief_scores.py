"""Scores of a network that reads relief: it is shown depth without the floor, and right pictures score as right."""

import torch

from experiments.data import maps
from experiments.data.relief import relief
from experiments.metrics import relief_scores
from experiments.metrics.held_out import held_out, truth


def test_the_network_is_shown_relief_and_pictures_of_the_scenes_score_high(monkeypatch):
    wanted, given = held_out("validation", 20), []

    def drawn(pipe, prompts, seed, beside):
        given.append(beside["image"])
        return truth(wanted).image

    monkeypatch.setattr(relief_scores.zoo, "load", lambda name: None)
    monkeypatch.setattr(relief_scores.control, "attach", lambda pipe, branch: None)
    monkeypatch.setattr(relief_scores, "draw", drawn)
    found = relief_scores.branch(torch.nn.Identity(), thorough=False)
    assert torch.equal((given[0] * 255).round().byte(), relief(maps.condition("depth", wanted, truth(wanted))))
    assert found["solid IoU"].value > 0.85 and found["prompt"].value > 0.85
    monkeypatch.setattr(relief_scores, "draw", lambda *more: truth(wanted).image.flip(0))  # of other scenes
    assert relief_scores.branch(torch.nn.Identity(), thorough=False)["solid IoU"].value < 0.5
