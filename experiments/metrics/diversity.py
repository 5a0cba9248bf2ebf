"""How much of what is there is drawn: precision and recall of distributions, spread within a prompt, and saturation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from experiments.metrics.frechet import checked
from experiments.metrics.images import require_uint8

NEIGHBOURS = 3


class Covered(NamedTuple):
    """Share of drawn pictures that lie among real ones, and of real ones that lie among drawn ones."""

    precision: float
    recall: float


def precision_recall(features: Tensor, real: Tensor, k: int = NEIGHBOURS) -> Covered:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv:1904.06991) of features [N,D] against [M,D].

    A set reaches as far as the balls around its members, each as wide as the distance to the member's k-th neighbour.
    """
    x, y = checked(features), checked(real)
    if min(len(x), len(y)) <= k:
        raise ValueError(f"{len(x)} drawn and {len(y)} real pictures are too few for {k} neighbours: give more than {k} of each")
    between = torch.cdist(x, y)
    return Covered(float((between <= _reach(y, k)).any(1).double().mean()), float((between.T <= _reach(x, k)).any(1).double().mean()))


def _reach(points: Tensor, k: int) -> Tensor:
    """Distance of each of the points [N,D] to its k-th neighbour, itself not counted."""
    return torch.cdist(points, points).kthvalue(k + 1, dim=1).values


def spread(features: Tensor) -> Tensor:
    """Variance among pictures of one prompt, summed over features, for features [seeds,prompts,D]: [prompts]."""
    return features.double().var(0).sum(-1)


def saturation(images: Tensor) -> Tensor:
    """Mean over pixels of the largest channel minus the smallest, in [0, 1], of uint8 pictures [N,3,H,W]: [N]."""
    levels = require_uint8(images).float() / 255
    return (levels.amax(1) - levels.amin(1)).mean((1, 2))


def clipped(images: Tensor) -> Tensor:
    """Share of values at either end of the range, of uint8 pictures [N,3,H,W]: [N]."""
    return ((require_uint8(images) == 0) | (images == 255)).float().mean((1, 2, 3))
