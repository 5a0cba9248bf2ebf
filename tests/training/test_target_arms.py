"""Arms that differ in what they are asked for alone, and the algebra between noise, data and velocity."""

import math

import pytest
import torch
from diffusers import DDIMScheduler

from experiments.metrics.denoising import clean, coefficients
from experiments.models.mechanisms import Text
from experiments.training import paths
from experiments.training.arm_loss import Material
from experiments.training.target_arms import TARGETS, loss, sample

G = torch.Generator().manual_seed(0)
X0, EPS = torch.randn(64, 3, generator=G, dtype=torch.float64), torch.randn(64, 3, generator=G, dtype=torch.float64)


def path(phi):
    return phi.cos() * X0 + phi.sin() * EPS


@pytest.mark.parametrize("phi", [0.1, 0.8, 1.5])
def test_the_velocity_is_the_derivative_by_the_angle(phi):
    """C21, and E1: with sine and cosine exchanged, as the slide writes them, the sign is the other one."""
    phi = torch.tensor(phi, dtype=torch.float64)
    x, slope = torch.func.jvp(path, (phi,), (torch.ones_like(phi),))
    v = paths.target("velocity", X0, EPS, phi.cos(), phi.sin())
    assert torch.allclose(slope, v, atol=1e-12)
    _, printed = torch.func.jvp(lambda p: p.sin() * X0 + p.cos() * EPS, (math.pi / 2 - phi,), (torch.ones_like(phi),))
    assert torch.allclose(printed, -v, atol=1e-12)


@pytest.mark.parametrize("phi", [0.0, 0.3, 1.2, math.pi / 2])
def test_data_and_noise_are_recovered_from_the_velocity(phi):
    """C23, and C22 at the end: where a is 0, x0 = -v."""
    phi = torch.tensor(phi, dtype=torch.float64)
    a, s, x = phi.cos(), phi.sin(), path(phi)
    v = paths.target("velocity", X0, EPS, a, s)
    assert torch.allclose(a * x - s * v, X0, atol=1e-12) and torch.allclose(s * x + a * v, EPS, atol=1e-12)
    if phi > 1.57:
        assert torch.allclose(-v, X0, atol=1e-12)


def test_the_librarys_velocity_is_this_one():
    scheduler = TARGETS["velocity"].scheduler()
    x0, eps = torch.randn(5, 4, 8, 8, generator=G), torch.randn(5, 4, 8, 8, generator=G)
    t = torch.tensor([1, 250, 500, 750, 999])
    kept = scheduler.alphas_cumprod[t].view(-1, 1, 1, 1)
    ours = paths.target("velocity", x0, eps, kept.sqrt(), (1 - kept).sqrt())
    assert torch.allclose(scheduler.get_velocity(x0, eps, t), ours, atol=1e-6)


@pytest.mark.parametrize("name", list(TARGETS))
def test_who_says_the_target_is_taken_at_his_word(name):
    """x0 is what was there, at every level; at pure noise it still is for the velocity."""
    target = TARGETS[name]
    scheduler, x0 = target.scheduler(), torch.randn(2, 4, 8, 8, generator=G)
    eps = torch.randn(x0.shape, generator=G)
    for t in (1, 500, 999):
        a, s = coefficients(scheduler, t)
        said = paths.target(target.objective, x0, eps, torch.tensor(a), torch.tensor(s))
        assert torch.allclose(clean(scheduler, said, a * x0 + s * eps, t), x0, atol=1e-4)


def test_only_the_row_that_says_so_ends_in_pure_noise():
    ends = {name: float(target.scheduler().alphas_cumprod[-1]) for name, target in TARGETS.items()}
    assert ends.pop("velocity, zero SNR") == 0 and all(end == pytest.approx(0.00466, rel=1e-3) for end in ends.values())
    assert all(int(set_steps(t)[0]) == 999 for t in TARGETS.values())


def set_steps(target, steps=5) -> torch.Tensor:
    scheduler = target.scheduler()
    scheduler.set_timesteps(steps)
    return scheduler.timesteps


class Knows(torch.nn.Module):
    """Says the right thing about data that is always `x0`."""

    def __init__(self, target, x0):
        super().__init__()
        self.target, self.x0, self.scheduler = target, x0, target.scheduler()

    def forward(self, x, t, words):
        kept = self.scheduler.alphas_cumprod[torch.as_tensor(t).long().reshape(-1)].view(-1, 1, 1, 1)
        a, s = kept.sqrt(), (1 - kept).sqrt()
        said = paths.target(self.target.objective, self.x0.expand_as(x), (x - a * self.x0) / s, a, s)
        return type("Said", (), {"sample": said})


@pytest.mark.parametrize("name", list(TARGETS))
def test_the_right_answer_has_no_loss_and_is_drawn_in_any_number_of_steps(name):
    target, x0 = TARGETS[name], torch.randn(1, 4, 8, 8, generator=G)
    text = Text(torch.zeros(1, 2, 3), torch.zeros(1, 3))
    data = Material(x0, torch.zeros_like(x0), torch.zeros(1, 1, dtype=torch.long), text, text)
    knows = Knows(target, x0)
    assert all(loss(target, knows, data, 16)(s, torch.Generator().manual_seed(s)).item() < 1e-4 for s in range(3))
    for steps in (1, 5):
        drawn, first = sample(target, knows, text.words, torch.randn(1, 4, 8, 8, generator=G), steps)
        assert torch.allclose(drawn, x0, atol=1e-3) and torch.allclose(first, x0, atol=1e-3)


def test_the_solver_is_the_librarys():
    """With the library's own loop over its scheduler."""
    target, x0 = TARGETS["velocity"], torch.randn(1, 4, 8, 8, generator=G)
    knows, noise = Knows(target, x0), torch.randn(1, 4, 8, 8, generator=G)
    scheduler, x = DDIMScheduler.from_config(target.scheduler().config), noise
    scheduler.set_timesteps(7)
    for t in scheduler.timesteps:
        x = scheduler.step(knows(x, t, None).sample * 0.9, t, x).prev_sample

    class Nearly(Knows):
        def forward(self, x, t, words):
            return type("Said", (), {"sample": super().forward(x, t, words).sample * 0.9})

    assert torch.allclose(sample(target, Nearly(target, x0), torch.zeros(1, 2, 3), noise, 7)[0], x, atol=1e-5)
