"""Straightness, turning and cost where the answer is known."""

import math

import pytest
import torch

from experiments.sampling.exact import Gaussian, Mixture
from experiments.sampling.solvers import euler, rk4
from experiments.sampling.straightness import optimal_cost, straightness, transport_cost, turning

TIMES = [1 - k / 200 for k in range(201)]


def test_a_line_at_constant_speed_is_straight():
    ends = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    states = torch.stack([(1 - t) * ends[0] + t * ends[1] for t in TIMES])
    assert straightness(states, TIMES).max() < 1e-6
    assert turning(states[::50]).max() < 0.2


def test_a_quarter_of_a_circle():
    """Speed pi/2 along the arc and chord of length sqrt 2: (pi^2/4 - 2) / 2 in all, and it turns by a right angle."""
    angles = torch.tensor(TIMES, dtype=torch.float64) * math.pi / 2
    states = torch.stack([angles.cos(), angles.sin()], -1)[:, None]
    assert float(straightness(states, TIMES)) == pytest.approx((math.pi**2 / 4 - 2) / 2, rel=1e-3)
    assert float(turning(states)) == pytest.approx(90 * 199 / 200, rel=1e-6)


def test_a_line_at_changing_speed_is_not_straight_but_does_not_turn():
    states = torch.tensor(TIMES)[:, None, None].square() * torch.ones(1, 1, 2)
    assert float(straightness(states, TIMES)) == pytest.approx(1 / 3, rel=1e-2)
    assert float(turning(states)[0]) < 5


def test_costs_of_gaussians_agree_with_the_formulas():
    g = torch.Generator().manual_seed(0)
    gaussian = Gaussian(torch.tensor([1.0, -1.0], dtype=torch.float64), torch.tensor([[1.5, 0.4], [0.4, 0.3]], dtype=torch.float64))
    noise = torch.randn(2, 20_000, 2, generator=g, dtype=torch.float64)
    assert transport_cost(noise[0], gaussian.transport(noise[0])) == pytest.approx(gaussian.optimal_cost(), rel=0.03)
    assert transport_cost(noise[0], gaussian.transport(noise[1])) == pytest.approx(gaussian.independent_cost(), rel=0.03)


def test_the_best_pairing_of_two_clouds_undoes_a_permutation():
    g = torch.Generator().manual_seed(0)
    points = torch.randn(50, 2, generator=g)
    assert optimal_cost(points, points[torch.randperm(50, generator=g)] + 0.01) == pytest.approx(2e-4, rel=1e-3)


def test_the_flow_of_a_mixture_is_the_derivative_of_its_mean_path():
    """Where x_t has one component, v is that of a Gaussian; and the velocity is what autograd gives for the density's flow."""
    one = Mixture(torch.tensor([[1.0, 2.0]], dtype=torch.float64), 0.5, torch.ones(1, dtype=torch.float64))
    same = Gaussian(one.means[0], 0.25 * torch.eye(2, dtype=torch.float64))
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for t in (0.0, 0.3, 1.0):
        assert torch.allclose(one.straight_velocity(x, t), same.velocity(x, t), atol=1e-12)


def test_velocity_of_a_mixture_is_the_mean_of_the_lines_through_a_point():
    """E[eps - x_0 | x_t near x] by simulation."""
    mixture = Mixture(torch.tensor([[1.5, 0.0], [-1.5, 0.0]], dtype=torch.float64), 0.3, torch.tensor([0.6, 0.4], dtype=torch.float64))
    g = torch.Generator().manual_seed(0)
    data = mixture.sample(400_000, g)
    noise = torch.randn(data.shape, generator=g, dtype=torch.float64)
    x, t = torch.tensor([[0.2, 0.1]], dtype=torch.float64), 0.6
    near = ((1 - t) * data + t * noise - x).norm(dim=1) < 0.05
    assert near.sum() > 300
    assert torch.allclose((noise - data)[near].mean(0), mixture.straight_velocity(x, t)[0], atol=0.15)


def test_rectifying_lowers_the_cost_and_never_below_the_optimum():
    mixture = Mixture(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), 0.2, torch.tensor([0.7, 0.3]))
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(400, 2, generator=g)
    data = rk4(mixture.straight_velocity, noise, TIMES[::4])[-1]
    independent = transport_cost(noise, mixture.sample(400, g))
    assert optimal_cost(noise, data) <= transport_cost(noise, data) + 1e-6 < independent
    assert straightness(euler(mixture.straight_velocity, noise, TIMES), TIMES).mean() > 0
