"""What a network predicts against where its error is counted, below and above its width (Li & He 2025, arXiv:2511.13720).

Points of a plane lie in D dimensions; a network of WIDTH hidden units sees them noised on the straight path. It says x0,
eps or the velocity, and the squared error is taken of x0, eps or the velocity, whatever it says: nine combinations. Where D
is larger than the width, noise does not fit through the network and data do.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from experiments.sampling import flow_matching as fm
from experiments.studies.study import Study

SAID = COUNTED = ("x0", "epsilon", "velocity")
DIMENSIONS = (4, 256)
WIDTH, LAYERS = 64, 3
STEPS, BATCH, RATE = 600, 128, 2e-3
SEEDS = (0, 1, 2)
CLEAR = 0.05  # times are kept this far from 0 and 1, where conversions divide by s or a
DRAWN, SOLVER = 1000, 50


def points(n: int, generator: torch.Generator) -> Tensor:
    """Six groups on a circle [n,2], deviation 0.15, of unit variance in each coordinate over all."""
    angle = torch.randint(6, (n,), generator=generator) * math.pi / 3
    centres = torch.stack([angle.cos(), angle.sin()], 1) * math.sqrt(2 - 2 * 0.15**2)
    return centres + 0.15 * torch.randn(n, 2, generator=generator)


class Net(nn.Module):
    """A plain network from D dimensions to D through WIDTH hidden units; t enters as a vector added in each layer."""

    def __init__(self, dimension: int):
        super().__init__()
        self.into, self.out = nn.Linear(dimension, WIDTH), nn.Linear(WIDTH, dimension)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))
        self.clock = nn.Linear(16, WIDTH)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        waves = t * math.pi * torch.tensor([0.5, 1, 1.5, 2, 3, 4, 6, 8])
        h, time = self.into(x), self.clock(torch.cat([waves.sin(), waves.cos()], 1))
        for layer in self.layers:
            h = h + torch.nn.functional.silu(layer(torch.nn.functional.silu(h + time)))
        return self.out(h)


def measure(dimension: int, said: str, counted: str, seed: int) -> dict[str, float]:
    """Distance of drawn points to the data, in the plane, and how much of them lies outside the plane."""
    torch.manual_seed(seed)
    net, g = Net(dimension), torch.Generator().manual_seed(seed)
    plane = torch.linalg.qr(torch.randn(dimension, 2, generator=g)).Q.T  # [2,D], orthonormal rows
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        x0 = points(BATCH, g) @ plane
        eps = torch.randn(x0.shape, generator=g)
        t = CLEAR + (1 - 2 * CLEAR) * torch.rand(BATCH, 1, generator=g)
        point = fm.at(fm.straight, t)
        x = point.a * x0 + point.s * eps
        told = fm.equivalents(said, net(x, t), x, point)[counted]
        wanted = {"x0": x0, "epsilon": eps, "velocity": eps - x0}[counted]
        loss = (told - wanted).square().mean()
        optimiser.zero_grad(), loss.backward(), optimiser.step(), schedule.step()
    drawn = walk(net, said, dimension, g)
    flat = drawn @ plane.T
    outside = (drawn - flat @ plane).square().sum(1).mean()
    return {
        "distance": energy_distance(flat, points(DRAWN, g)),
        "outside": float(outside),
        "floor": energy_distance(points(DRAWN, g), points(DRAWN, g)),
    }


@torch.no_grad()
def walk(net: Net, said: str, dimension: int, generator: torch.Generator) -> Tensor:
    """Points [DRAWN,D] by Euler's rule from CLEAR below noise to CLEAR above data, then what is left of x0."""
    x = torch.randn(DRAWN, dimension, generator=generator)
    times = torch.linspace(1 - CLEAR, CLEAR, SOLVER + 1)
    for now, then in zip(times, times[1:]):
        t = now.expand(DRAWN, 1)
        x = x + (then - now) * fm.equivalents(said, net(x, t), x, fm.at(fm.straight, t))["velocity"]
    t = times[-1].expand(DRAWN, 1)
    return fm.equivalents(said, net(x, t), x, fm.at(fm.straight, t))["x0"]


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X-Y| - E|X-X'| - E|Y-Y'| (Szekely & Rizzo 2013), 0 for equal distributions; x [N,D], y [M,D]."""
    n, m = len(x), len(y)
    within = torch.cdist(x, x).sum() / (n * (n - 1)) + torch.cdist(y, y).sum() / (m * (m - 1))
    return float(2 * torch.cdist(x, y).mean() - within)


def _parts():
    return [(d, said, counted, seed) for seed in SEEDS for d in DIMENSIONS for said in SAID for counted in COUNTED]


STUDY = Study("prediction-space", _parts, measure, ("experiments.studies.prediction_space",),
              settings=dict(width=WIDTH, layers=LAYERS, steps=STEPS, batch=BATCH, drawn=DRAWN))  # fmt: skip
STUDIES = (STUDY,)
