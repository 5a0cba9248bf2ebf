"""Paths and targets against diffusers' schedulers, against their own algebra, and against Gaussian data in closed form."""

import math

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from experiments.models.recipes import RECIPES
from experiments.training import paths

SCHEDULE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
OBJECTIVES = ("epsilon", "sample", "velocity", "flow")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(n=16, seed=1, dtype=torch.float32):
    g = generator(seed)
    return (torch.randn(n, 4, 3, 3, generator=g, dtype=dtype) for _ in range(2))


# ---- against diffusers ----------------------------------------------------------------------------------------------

def test_the_noised_code_is_that_of_ddpm():
    scheduler = DDPMScheduler(**SCHEDULE)
    x0, eps = batch()
    draw = paths.variance_preserving(scheduler.alphas_cumprod)(16, generator())
    assert torch.allclose(draw.a * x0 + draw.s * eps, scheduler.add_noise(x0, eps, draw.timestep), atol=1e-6)


def test_the_velocity_is_that_of_ddpm():
    scheduler = DDPMScheduler(**SCHEDULE)
    x0, eps = batch()
    draw = paths.variance_preserving(scheduler.alphas_cumprod)(16, generator())
    wanted = scheduler.get_velocity(x0, eps, draw.timestep)
    assert torch.allclose(paths.target("velocity", x0, eps, draw.a, draw.s), wanted, atol=1e-6)


@pytest.mark.parametrize("index", [0, 1, 500, 998, 999])
def test_the_straight_path_is_that_of_flow_matching(index):
    """scale_noise takes the scheduler's own times; at each of them the path gives the same point."""
    scheduler = FlowMatchEulerDiscreteScheduler(**RECIPES["mini-sd3"].config["scheduler"])
    x0, eps = batch()
    timestep = scheduler.timesteps[index].repeat(16)
    t = (timestep / 1000).view(-1, 1, 1, 1)
    assert torch.allclose((1 - t) * x0 + t * eps, scheduler.scale_noise(x0, timestep, eps), atol=1e-5)


def test_the_target_of_flow_is_what_the_sampler_integrates():
    """With eps - x0 as the model's answer at every time, Euler's steps lead from the noise to the data exactly."""
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)
    x0, eps = batch()
    scheduler.set_timesteps(7)
    x = eps
    for timestep in scheduler.timesteps:
        one = torch.ones(16, 1, 1, 1)
        x = scheduler.step(paths.target("flow", x0, eps, one, one), timestep, x).prev_sample
    assert torch.allclose(x, x0, atol=1e-5)


# ---- algebra --------------------------------------------------------------------------------------------------------

@given(st.floats(0.0, math.pi / 2), st.integers(0, 2**31))
def test_velocity_and_point_give_back_data_and_noise(angle, seed):
    """On a variance-preserving path x0 = a x_t - s v and eps = s x_t + a v."""
    x0, eps = batch(4, seed, torch.float64)
    a, s = torch.tensor(angle, dtype=torch.float64).cos(), torch.tensor(angle, dtype=torch.float64).sin()
    x, v = a * x0 + s * eps, paths.target("velocity", x0, eps, a, s)
    assert torch.allclose(a * x - s * v, x0, atol=1e-6) and torch.allclose(s * x + a * v, eps, atol=1e-6)


@given(st.floats(0.0, 1.0), st.integers(0, 2**31))
def test_flow_and_point_give_back_data_and_noise(t, seed):
    """On the straight path x0 = x_t - t u and eps = x_t + (1 - t) u."""
    x0, eps = batch(4, seed, torch.float64)
    a, s = torch.tensor(1 - t, dtype=torch.float64), torch.tensor(t, dtype=torch.float64)
    x, u = a * x0 + s * eps, paths.target("flow", x0, eps, a, s)
    assert torch.allclose(x - t * u, x0, atol=1e-6) and torch.allclose(x + (1 - t) * u, eps, atol=1e-6)


@given(st.floats(0.05, 0.95))
def test_velocity_and_flow_are_derivatives_of_their_paths(t):
    x0, eps = batch(4, 3, torch.float64)
    h = 1e-5
    at = lambda u: (1 - u) * x0 + u * eps  # noqa: E731
    slope = (at(t + h) - at(t - h)) / (2 * h)
    one = torch.tensor(1.0, dtype=torch.float64)
    assert torch.allclose(slope, paths.target("flow", x0, eps, one, one), atol=1e-6)
    angle = torch.tensor(t, dtype=torch.float64)
    turn = lambda u: u.cos() * x0 + u.sin() * eps  # noqa: E731
    slope = (turn(angle + h) - turn(angle - h)) / (2 * h)
    assert torch.allclose(slope, paths.target("velocity", x0, eps, angle.cos(), angle.sin()), atol=1e-6)


def test_epsilon_and_sample_are_the_noise_and_the_data():
    x0, eps = batch()
    assert paths.target("epsilon", x0, eps, None, None) is eps and paths.target("sample", x0, eps, None, None) is x0


def test_an_unknown_objective_names_the_known_ones():
    x0, eps = batch()
    with pytest.raises(ValueError, match="'noise' is not one of epsilon, sample, velocity, flow"):
        paths.target("noise", x0, eps, x0, x0)


# ---- draws ----------------------------------------------------------------------------------------------------------

def test_variance_preserving_times_are_uniform_and_preserve_variance():
    kept = DDPMScheduler(**SCHEDULE).alphas_cumprod
    draw = paths.variance_preserving(kept)(20_000, generator())
    assert torch.allclose(draw.a**2 + draw.s**2, torch.ones_like(draw.a), atol=1e-6)
    assert torch.allclose(draw.a.flatten() ** 2, kept[draw.timestep], atol=1e-6)
    counts = torch.bincount(draw.timestep // 100, minlength=10)
    assert len(counts) == 10 and (counts - 2000).abs().max() < 5 * math.sqrt(2000)
    assert draw.timestep.min() == 0 and draw.timestep.max() == 999


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (0.5, 0.6)])
def test_straight_times_are_logit_normal(mean, deviation):
    draw = paths.straight(mean, deviation)(20_000, generator())
    logits = torch.logit(draw.timestep.double() / 1000)
    assert logits.mean().item() == pytest.approx(mean, abs=0.03) and logits.std().item() == pytest.approx(deviation, rel=0.02)
    assert torch.allclose(draw.a + draw.s, torch.ones_like(draw.a)) and torch.allclose(draw.s.flatten() * 1000, draw.timestep)


def test_draws_depend_on_their_generator_alone():
    for make in (paths.straight(), paths.variance_preserving(torch.linspace(0.99, 0.01, 50))):
        torch.manual_seed(1)
        first = make(8, generator(3))
        torch.manual_seed(2)
        assert torch.equal(first.timestep, make(8, generator(3)).timestep)
        assert not torch.equal(first.timestep, make(8, generator(4)).timestep)


# ---- Gaussian data, where the best answer is known ------------------------------------------------------------------

@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("a", "s"), [(0.9, math.sqrt(0.19)), (0.3, 0.7), (0.5, 0.5)])
def test_the_best_answer_for_gaussian_data_is_the_formula(objective, a, s):
    """x0 ~ N(m, d^2): E[target | x_t] is linear in x_t with slope cov(target, x_t) / var(x_t); least squares finds it."""
    m, d, n = 0.7, 1.3, 400_000
    g = generator(5)
    x0 = m + d * torch.randn(n, generator=g, dtype=torch.float64)
    eps = torch.randn(n, generator=g, dtype=torch.float64)
    x = a * x0 + s * eps
    wanted = paths.target(objective, x0, eps, torch.tensor(a), torch.tensor(s)).double()
    of_data, of_noise = {"epsilon": (0, 1), "sample": (1, 0), "velocity": (-s, a), "flow": (-1, 1)}[objective]
    slope = (of_data * a * d**2 + of_noise * s) / (a**2 * d**2 + s**2)
    shift = of_data * m - slope * a * m
    fitted = torch.linalg.lstsq(torch.stack([x, torch.ones_like(x)], 1), wanted[:, None]).solution.flatten()
    assert fitted.tolist() == pytest.approx([slope, shift], abs=0.01)


def test_the_best_epsilon_gives_the_score():
    """-E[eps | x_t] / s is the gradient of log p(x_t), here of a Gaussian (Vincent 2011)."""
    a, s, d = 0.6, 0.8, 1.3
    x = torch.linspace(-3, 3, 9, dtype=torch.float64, requires_grad=True)
    variance = a**2 * d**2 + s**2
    score = torch.autograd.grad((-(x**2) / (2 * variance)).sum(), x)[0]
    assert torch.allclose(-(s / variance * x) / s, score)
