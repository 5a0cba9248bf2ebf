"""The aesthetic proxy: ridge regression in closed form, degradations with known scores, LAION's architecture."""

import pytest
import torch

from experiments.metrics.aesthetic import DEGRADATIONS, Released, aesthetic, degrade, proxy, released, train_aesthetic
from experiments.metrics.clip_score import Clip


def pictures(n: int = 8) -> torch.Tensor:
    """Smooth blobs on a floor, so that every degradation has something to spoil."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 3, 6, 6, generator=g)
    return (torch.nn.functional.interpolate(coarse, 64, mode="nearest") * 255).to(torch.uint8)


def test_ridge_recovers_a_linear_score():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(500, 12, generator=g)
    truth = torch.randn(12, generator=g)
    predictor = train_aesthetic(x, x @ truth + 3, penalty=1e-9)
    assert torch.allclose(predictor.weight, truth.double(), atol=1e-5)
    assert float(predictor.bias) == pytest.approx(3, abs=1e-5)


def test_a_larger_penalty_shrinks_towards_the_mean():
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(60, 12, generator=g), torch.rand(60, generator=g) * 9 + 1
    sizes = [float(train_aesthetic(x, y, p).weight.norm()) for p in (1e-6, 1.0, 1e4)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert torch.allclose(train_aesthetic(x, y, 1e9)(x), y.double().mean(), atol=1e-3)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_degradation_is_nothing_at_zero_and_grows_with_strength(name):
    x = pictures().float() / 255
    change = []
    for s in (0.0, 0.3, 1.0):
        worse = DEGRADATIONS[name](x, torch.full((8, 1, 1, 1), s), torch.Generator().manual_seed(0))
        assert worse.shape == x.shape
        change.append(float((worse - x).abs().mean()))
    assert change[0] < 1e-4 and change[0] < change[1] < change[2]


def test_scores_follow_strength_and_depend_on_the_seed_alone():
    worse, scores = degrade(pictures(64), seed=3)
    again, same = degrade(pictures(64), seed=3)
    assert worse.dtype == torch.uint8 and torch.equal(worse, again) and torch.equal(scores, same)
    assert 1 <= scores.min() and scores.max() == 10
    untouched = (worse == pictures(64)).flatten(1).all(1)
    assert untouched.any() and scores[untouched].min() > 9


def test_laions_layers_have_nothing_between_them(tmp_path):
    """So the release is one linear map too; a file with its parameters' names loads."""
    torch.manual_seed(0)
    given = Released(24)
    torch.save(given.state_dict(), tmp_path / "a.pth")
    assert list(given.state_dict())[:2] == ["layers.0.weight", "layers.0.bias"]
    shapes = [tuple(p.shape) for p in Released().parameters()][::2]
    assert shapes == [(1024, 768), (128, 1024), (64, 128), (16, 64), (1, 16)]
    given.eval()
    a, b = torch.randn(2, 24).split(1)
    assert torch.allclose(given(a) + given(b), given(a + b) + given(torch.zeros(1, 24)), atol=1e-5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        released(tmp_path / "a.pth")


def test_estimate(clip_folder):
    clip = Clip(clip_folder)
    predictor = train_aesthetic(clip.images(pictures()), torch.arange(8) + 1.0)
    e = aesthetic(pictures(), clip, predictor)
    assert e.n == 8 and e.low <= e.value <= e.high


def test_missing_proxy_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="train aesthetic-proxy"):
        proxy(tmp_path)
