"""The three backbones are equal where the comparison says so, and hear words where it says so."""

import pytest
import torch

from experiments.models.backbones import BACKBONES, CHANNELS, SIDE, TEXT_WIDTH, build, gigaflops, parameters, says


@pytest.fixture(params=BACKBONES)
def model(request):
    torch.manual_seed(0)
    made = build(BACKBONES[request.param]).eval()
    for name, weight in made.named_parameters():  # outputs start at or near zero
        if "proj_out" in name or "norm1" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return made


def given(words=7):
    g = torch.Generator().manual_seed(0)
    return torch.randn(2, CHANNELS, SIDE, SIDE, generator=g), torch.tensor([300.0, 700.0]), torch.randn(2, words, TEXT_WIDTH, generator=g)


def test_parameters_agree_to_three_percent():
    counts = [parameters(row) for row in BACKBONES.values()]
    assert max(counts) / min(counts) < 1.03
    assert all(gigaflops(row, 20) > 0 for row in BACKBONES.values())


@torch.no_grad()
def test_words_and_time_change_what_is_said(model):
    x, t, words = given()
    said = says(model, x, t, words)
    assert said.shape == x.shape and said.isfinite().all()
    assert not torch.allclose(said, says(model, x, t, words.roll(1, 1) * 1.5), atol=1e-6)
    assert not torch.allclose(said, says(model, x, t / 2, words), atol=1e-6)


@torch.no_grad()
def test_a_picture_does_not_depend_on_its_neighbours(model):
    x, t, words = given()
    assert torch.allclose(says(model, x, t, words)[:1], says(model, x[:1], t[:1], words[:1]), atol=1e-5)
