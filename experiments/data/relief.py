"""Relief: a map of depth without the floor, which all scenes share; what is left is what stands on it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from experiments.data import maps
from experiments.data.render import render
from experiments.data.scenes import Scene, Solid

MOST = 137  # grey levels: the most that a training scene of two solids rises above the floor; stretched to 255


@lru_cache(maxsize=2)
def floor(side: int = maps.SIDE) -> Tensor:
    """The depth map of the empty floor, uint8 [3,side,side]: the further of two scenes whose solids stand at different ends."""
    ends = [Scene((Solid("cube", "red", "small", "rubber", x, 0.0, 0.0),), "gray") for x in (-1.4, 1.4)]
    return maps.condition("depth", ends, render(ends, side)).amin(0)


def relief(depth: Tensor) -> Tensor:
    """Depth maps uint8 [N,3,R,R], bright for near, without the floor: black where it lies bare, uint8 [N,3,R,R]."""
    above = (depth.float() - floor(depth.shape[-1]).float()).clamp_min(0) / MOST
    return (255 * above).clamp(0, 255).round().to(torch.uint8)
