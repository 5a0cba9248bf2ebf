"""Solvers against formulas, against each other's order and against diffusers' schedulers."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler

from experiments.sampling import solvers
from experiments.sampling.exact import Gaussian, Mixture

TIMES = [1 - k / 64 for k in range(65)]


@pytest.fixture
def mixture():
    means = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [0.0, -2.0]], dtype=torch.float64)
    return Mixture(means, 0.3, torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64))


@pytest.fixture
def noise():
    return torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def gaussian():
    root = torch.tensor([[1.2, 0.3], [0.1, 0.4]], dtype=torch.float64)
    return Gaussian(torch.tensor([1.0, -2.0], dtype=torch.float64), root @ root.T)


@pytest.mark.parametrize(("solver", "order"), [(solvers.euler, 1), (solvers.heun, 2), (solvers.rk4, 4)])
def test_the_error_falls_with_the_order(solver, order, gaussian, noise):
    truth = gaussian.transport(noise)
    errors = [float((solver(gaussian.velocity, noise, TIMES[::k])[-1] - truth).norm()) for k in (2, 1)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.4)


def test_rectified_flow_between_gaussians_is_optimal_transport(gaussian, noise):
    drawn = solvers.rk4(gaussian.velocity, noise, TIMES)[-1]
    assert torch.allclose(drawn, gaussian.transport(noise), atol=1e-6)


def test_after_one_reflow_one_step_of_euler_is_exact(gaussian, noise):
    assert torch.allclose(solvers.euler(gaussian.reflowed_velocity, noise, [1.0, 0.0])[-1], gaussian.transport(noise), atol=1e-12)


def test_both_paths_end_at_the_same_points(mixture, noise):
    """Dividing by a + s turns the one equation into the other: same model, same map from noise to data."""
    arc = solvers.rk4(mixture.circle_velocity, noise, TIMES)[-1]
    line = solvers.rk4(mixture.straight_velocity, noise, TIMES)[-1]
    assert float((arc - line).norm(dim=1).median()) < 1e-4


def test_ddim_on_the_straight_path_is_euler(mixture, noise):
    times = TIMES[1::4] + [0.0]
    euler = solvers.euler(mixture.straight_velocity, noise, times)
    ddim = solvers.ddim(lambda x, level: mixture.expected(x, *level)[1], noise, solvers.straight_levels(times))
    assert torch.allclose(euler, ddim, atol=1e-9)


def test_dpm_solver_pp_needs_fewer_steps_than_ddim(mixture, noise):
    levels = solvers.cosine_levels([0.995 * t for t in TIMES[::4]])
    many = solvers.cosine_levels([0.995 * (1 - k / 2000) for k in range(2001)])
    fine = solvers.ddim(lambda x, level: mixture.expected(x, *level)[1], noise, many)[-1]
    once = solvers.ddim(lambda x, level: mixture.expected(x, *level)[1], noise, levels)[-1]
    twice = solvers.dpm_solver_pp_2m(lambda x, level: mixture.expected(x, *level)[0], noise, levels)[-1]
    assert (twice - fine).norm(dim=1).median() < 0.5 * (once - fine).norm(dim=1).median()


def test_all_solvers_start_from_pure_noise(mixture, noise):
    levels = solvers.cosine_levels([1.0, 0.5, 0.0])
    assert solvers.dpm_solver_pp_2m(lambda x, level: mixture.expected(x, *level)[0], noise, levels).isfinite().all()


def _levels(scheduler):
    kept = [float(scheduler.alphas_cumprod[t]) for t in scheduler.timesteps]
    return [(k**0.5, (1 - k) ** 0.5) for k in kept]


@torch.no_grad()
def _walk(scheduler, said, noise, levels):
    x = noise.clone()
    for t, level in zip(scheduler.timesteps, levels):
        x = scheduler.step(said(x, level), t, x).prev_sample
    return x


def test_ddim_is_that_of_diffusers(mixture, noise):
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=True)
    scheduler.set_timesteps(10)
    levels = _levels(scheduler)
    theirs = _walk(scheduler, lambda x, level: mixture.expected(x, *level)[1], noise, levels)
    ours = solvers.ddim(lambda x, level: mixture.expected(x, *level)[1], noise, [*levels, (1.0, 0.0)])[-1]
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_dpm_solver_pp_is_that_of_diffusers(mixture, noise):
    scheduler = DPMSolverMultistepScheduler(prediction_type="sample", final_sigmas_type="zero", lower_order_final=False)
    scheduler.set_timesteps(10)
    levels = _levels(scheduler)
    theirs = _walk(scheduler, lambda x, level: mixture.expected(x, *level)[0], noise, levels)
    ours = solvers.dpm_solver_pp_2m(lambda x, level: mixture.expected(x, *level)[0], noise, [*levels, (1.0, 0.0)])[-1]
    assert torch.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_and_shift_are_those_of_diffusers(shift, mixture, noise):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=[1 - k / 8 for k in range(8)])
    times = solvers.shifted([1 - k / 8 for k in range(9)], shift)
    assert torch.allclose(scheduler.sigmas.double(), torch.tensor(times, dtype=torch.float64), atol=1e-6)
    x = noise.clone()
    for t, time in zip(scheduler.timesteps, times):
        x = scheduler.step(mixture.straight_velocity(x, time), t, x).prev_sample
    assert torch.allclose(x, solvers.euler(mixture.straight_velocity, noise, times)[-1], atol=1e-5)
