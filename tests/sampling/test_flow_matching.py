"""Flow matching: what follows from a path, against closed forms, diffusers and the training code."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.sampling import flow_matching as fm
from experiments.training import paths

TIMES = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)[:, None]


def late(t):
    return 1 - t**3, t**2


ALL = {**fm.PATHS, "a reader's": late}


@pytest.mark.parametrize("path", ALL.values(), ids=ALL)
@pytest.mark.parametrize("known", fm.QUANTITIES)
def test_each_quantity_gives_all_others_to_1e_6(path, known):
    g = torch.Generator().manual_seed(0)
    x0, eps = (torch.randn(25, 3, generator=g, dtype=torch.float64) for _ in range(2))
    point = fm.at(path, TIMES)
    x = point.a * x0 + point.s * eps
    truth = fm.equivalents("epsilon", eps, x, point)
    assert torch.allclose(truth["x0"], x0, atol=1e-9)
    found = fm.equivalents(known, truth[known], x, point)
    for name in fm.QUANTITIES:
        assert (found[name] - truth[name]).abs().max() < 1e-6 * max(1, truth[name].abs().max()), name


def test_the_slope_is_the_derivative():
    point = fm.at(fm.cosine, TIMES)
    assert torch.allclose(point.da, -math.pi / 2 * torch.sin(math.pi / 2 * TIMES))
    point, h = fm.at(fm.variance_preserving, TIMES), 1e-6
    for k, slope in ((0, point.da), (1, point.ds)):
        numeric = (fm.variance_preserving(TIMES + h)[k] - fm.variance_preserving(TIMES - h)[k]) / (2 * h)
        assert torch.allclose(slope, numeric, atol=1e-6)


def test_targets_agree_with_what_miniatures_are_trained_on():
    g = torch.Generator().manual_seed(1)
    x0, eps = (torch.randn(25, 3, generator=g, dtype=torch.float64) for _ in range(2))
    for path, objective, name in ((fm.straight, "flow", "velocity"), (fm.cosine, "velocity", "v")):
        point = fm.at(path, TIMES)
        found = fm.equivalents("epsilon", eps, point.a * x0 + point.s * eps, point)[name]
        assert torch.allclose(found, paths.target(objective, x0, eps, point.a, point.s))


def test_the_velocity_of_the_circle_is_v_times_the_speed():
    g = torch.Generator().manual_seed(2)
    x, eps = (torch.randn(25, 2, generator=g, dtype=torch.float64) for _ in range(2))
    found = fm.equivalents("epsilon", eps, x, fm.at(fm.cosine, TIMES))
    assert torch.allclose(found["velocity"], math.pi / 2 * found["v"], rtol=1e-9)


@given(st.sampled_from(fm.QUANTITIES), st.floats(0.05, 0.95))
def test_a_weight_is_the_ratio_of_the_two_errors(known, t):
    point = fm.at(fm.cosine, torch.tensor([[t]], dtype=torch.float64))
    x, eps = torch.tensor([[0.3, -1.0]], dtype=torch.float64), torch.tensor([[0.5, 0.2]], dtype=torch.float64)
    wrong = eps + 0.01
    errors = [fm.equivalents("epsilon", e, x, point)[known] for e in (eps, wrong)]
    ratio = (errors[0] - errors[1]).square().sum() / (eps - wrong).square().sum()
    assert ratio.item() == pytest.approx(fm.weight(known, point).item(), rel=1e-6)


def test_the_velocity_of_one_gaussian_is_linear():
    """N(m, w^2): x_t is N(a m, v), v = a^2 w^2 + s^2, and the velocity carries one into the next: a' m + v'/(2v) (x - a m)."""
    x, m, w = torch.randn(25, 2, dtype=torch.float64), torch.tensor([[1.0, -2.0]], dtype=torch.float64), 0.3
    for path in ALL.values():
        a, s, da, ds = fm.at(path, TIMES)
        v, dv = a**2 * w**2 + s**2, 2 * (a * da * w**2 + s * ds)
        exact = da * m + dv / (2 * v) * (x - a * m)
        found = fm.mixture_velocity(path, x, TIMES, m, torch.ones(1, dtype=torch.float64), w)
        assert torch.allclose(found, exact, atol=1e-9)


def test_a_wrong_name_is_said():
    with pytest.raises(ValueError, match="epsilon, x0, v, score, velocity"):
        fm.equivalents("noise", TIMES, TIMES, fm.at(fm.cosine, TIMES))
