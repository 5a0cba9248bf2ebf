"""Flows whose velocity is a formula: mixtures of Gaussians, and one Gaussian, where the flow is optimal transport."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixture:
    """Data x_0 ~ sum_k weights[k] N(means[k], deviation^2 I); means [K,D], weights [K]."""

    means: Tensor
    deviation: float
    weights: Tensor

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` points [count,D]."""
        k = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], generator=generator, dtype=self.means.dtype)
        return self.means[k] + self.deviation * noise

    def expected(self, x: Tensor, a: float, s: float) -> tuple[Tensor, Tensor]:
        """E[x_0 | x] and E[eps | x] where x = a x_0 + s eps and eps ~ N(0, I); x [N,D]."""
        variance = a**2 * self.deviation**2 + s**2
        gap = x[:, None] - a * self.means
        chance = (self.weights.log() - gap.square().sum(-1) / (2 * variance)).softmax(-1)[..., None]
        data = (chance * (self.means + a * self.deviation**2 / variance * gap)).sum(1)
        return data, (chance * gap).sum(1) * s / variance

    def straight_velocity(self, x: Tensor, t: float) -> Tensor:
        """dx/dt = E[eps - x_0 | x] of the straight path x_t = (1 - t) x_0 + t eps: the 1-rectified flow."""
        data, noise = self.expected(x, 1 - t, t)
        return noise - data

    def circle_velocity(self, x: Tensor, t: float) -> Tensor:
        """dx/dt of the path x_t = cos(pi t / 2) x_0 + sin(pi t / 2) eps: the probability-flow equation of diffusion."""
        angle = torch.tensor(torch.pi / 2 * t, dtype=x.dtype)
        data, noise = self.expected(x, float(angle.cos()), float(angle.sin()))
        return torch.pi / 2 * (angle.cos() * noise - angle.sin() * data)


@dataclass(frozen=True)
class Gaussian:
    """Data x_0 ~ N(mean, covariance), noise ~ N(0, I): every step of rectified flow is a formula."""

    mean: Tensor
    covariance: Tensor

    @property
    def root(self) -> Tensor:
        """The symmetric square root of the covariance."""
        values, vectors = torch.linalg.eigh(self.covariance)
        return vectors * values.clamp_min(0).sqrt() @ vectors.T

    def transport(self, noise: Tensor) -> Tensor:
        """The optimal transport map of the squared distance, mean + covariance^(1/2) noise; noise [N,D]."""
        return self.mean + noise @ self.root

    def optimal_cost(self) -> float:
        """Squared 2-Wasserstein distance to the noise: |mean|^2 + tr(covariance) + D - 2 tr(covariance^(1/2))."""
        return float(self.mean.square().sum() + self.covariance.trace() + len(self.mean) - 2 * self.root.trace())

    def independent_cost(self) -> float:
        """Mean squared distance of noise and data that know nothing of each other."""
        return float(self.mean.square().sum() + self.covariance.trace() + len(self.mean))

    def velocity(self, x: Tensor, t: float) -> Tensor:
        """The 1-rectified flow: E[eps - x_0 | x_t = x] under independent coupling."""
        one = torch.eye(len(self.mean), dtype=x.dtype)
        spread = (1 - t) ** 2 * self.covariance + t**2 * one
        return -self.mean + (x - (1 - t) * self.mean) @ torch.linalg.solve(spread, t * one - (1 - t) * self.covariance)

    def reflowed_velocity(self, x: Tensor, t: float) -> Tensor:
        """The 2-rectified flow: noise and data are coupled by `transport`, lines do not cross, and each is followed at constant speed."""
        one = torch.eye(len(self.mean), dtype=x.dtype)
        noise = torch.linalg.solve((1 - t) * self.root + t * one, (x - (1 - t) * self.mean).T).T
        return noise - self.transport(noise)
