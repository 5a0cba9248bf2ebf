"""Studies of guidance: every part finds its way to draw, and a cell holds what the chapter reads."""

import json

import pytest
import torch

from experiments.data.prompts import CATEGORIES
from experiments.metrics import guidance_cells, guidance_draw, guidance_pair, guidance_students
from experiments.metrics.table import Seen
from experiments.studies import guidance


@pytest.fixture
def drawn(monkeypatch):
    """What a part asks for, (model, steps), with nothing drawn."""
    asked = []

    def in_batches(model, of_group, steps, wanted, seed, *more):
        asked.append((model, steps))
        return None, 0

    def alone(model, rate, steps, wanted, seed):
        return in_batches(model, None, steps, wanted, seed)

    monkeypatch.setattr(guidance, "measure", lambda draw, per, seeds: {"drawn": draw([], 0)})
    for module in (guidance_draw, guidance_pair, guidance_students):
        monkeypatch.setattr(module, "in_batches", in_batches)
    monkeypatch.setattr(guidance_pair, "alone", alone)
    return asked


@pytest.mark.parametrize("study", guidance.STUDIES, ids=lambda study: study.name)
def test_every_part_finds_who_draws_it(study, drawn):
    for part in study.parts():
        if part[0] in guidance_draw.WAYS:
            assert callable(guidance_draw.WAYS[part[0]](*part[1:-1]))
        study.measure(*part)
        model, steps = drawn.pop()
        assert steps == part[-1]
        assert model == (part[0] if part[0].startswith("mini-") else guidance.MODEL)


def test_a_setting_holds_a_thousand_pictures_and_the_sweep_the_weights_that_others_compare_with():
    assert guidance.PROMPTS * len(CATEGORIES) * len(guidance.SEEDS) >= 1000
    assert {part[1] for part in guidance.SWEEP.parts()} >= {0.0, 1.0, 4.0, 15.0, guidance.STRONG}


def seen(shift: float, seed: int) -> Seen:
    g = torch.Generator().manual_seed(seed)
    return Seen(torch.randn(24, 6, generator=g).double() + shift, torch.full((24,), 50.0 + seed).double(), torch.zeros(24))


def test_distances_grow_with_the_distance_and_are_plain_values():
    true = torch.stack([seen(0.0, 10 + k).features for k in range(3)])
    near, far = (guidance_cells.distances([seen(shift, k) for k in range(3)], true) for shift in (0.0, 2.0))
    assert near["FID"]["value"] < far["FID"]["value"] and near["KID"]["value"] < far["KID"]["value"]
    assert near["FID"]["n"] == 72 and len(near["FID by seed"]) == 3 and near["CLIP by seed"] == [50.0, 51.0, 52.0]
    assert sum(near["recall by seed"]) > sum(far["recall by seed"])
    assert len(near["spread by prompt"]) == 24 and near["spread of real"] > 0
    json.dumps(near, allow_nan=False)


def test_a_cell_counts_right_pictures_by_prompt_and_seed(monkeypatch):
    """Gray pictures show nothing; the marks stand in the order of the prompts."""
    monkeypatch.setattr(guidance_cells, "real", lambda per, seeds: (torch.randn(2, 6 * per, 128).double(), 0.2))
    gray = torch.full((6 * 2, 3, 64, 64), 128, dtype=torch.uint8)
    cell = guidance_cells.measure(lambda wanted, seed: (gray, 16), 2, (0, 1))
    assert cell["right"] == ["0" * 12] * 2 and cell["gray by seed"] == [0, 0]
    assert cell["asked"] == 16 and cell["saturation"] == 0 and cell["clipped"] == 0
    assert [p.category for p in guidance_cells.wishes(2)] == [c for c in CATEGORIES for _ in range(2)]
