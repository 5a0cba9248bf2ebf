r"""How many pictures explain an FID: a Gaussian surrogate, calibrated by figures at large n, is followed down to small n.

Published figures give FID at large n; a table without an n gives a level. If FID_n = FID_\infty + s b(n) with b the bias of
`surrogate` for a spectrum of a given shape, two figures fix s and FID_\infty, and the level is reached at some n. That this
works is checked where n is known: on pictures of miniatures, of which there are many (`check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.metrics import surrogate
from experiments.metrics.frechet import fid, reference

POWERS = (0.8, 1.0, 1.2)


class Fitted(NamedTuple):
    """The surrogate's scale s and FID at unlimited n, from figures at two n."""

    scale: float
    unlimited: float
    shape: Tensor

    def at(self, n: int, seeds: Sequence[int] = (0,)) -> float:
        """FID at n pictures on both sides, mean over draws of the bias."""
        return self.unlimited + self.scale * float(np.mean([surrogate.bias(n, self.shape, seed) for seed in seeds]))


def fit(figures: Mapping[int, float], shape: Tensor, seeds: Sequence[int] = (0,)) -> Fitted:
    """The surrogate through two figures {n: FID}. Raises ValueError where FID does not fall with n: nothing to fit then."""
    (few, high), (many, low) = sorted(figures.items())
    if high <= low:
        raise ValueError(f"FID {high:.4g} at {few} pictures is not above {low:.4g} at {many}: no bias can be read from them")
    a, b = (_bias(n, shape, seeds) for n in (few, many))
    scale = (high - low) / (a - b)
    return Fitted(scale, low - scale * b, shape)


def _bias(n: int, shape: Tensor, seeds: Sequence[int]) -> float:
    """Bias at n: drawn, or by its first order where n is far above the dimension."""
    if n > 2 * len(shape):
        return surrogate.first_order(n, shape)
    return float(np.mean([surrogate.bias(n, shape, seed) for seed in seeds]))


def images_for(level: float, fitted: Fitted, sizes: Sequence[int], seeds: Sequence[int] = (0,)) -> float:
    """The n at which the fitted curve passes `level`; NaN where it does not between the least and the largest of `sizes`."""
    return surrogate.images_for(level, sizes, [fitted.at(n, seeds) for n in sizes])


def at_equal_n(drawn: Tensor, real: Tensor, n: int) -> list[float]:
    """FID of each disjoint group of n drawn pictures against as many real ones: features [N,D] both."""
    groups = min(len(drawn), len(real)) // n
    if not groups:
        raise ValueError(f"{min(len(drawn), len(real))} pictures hold no group of {n}")
    return [fid(drawn[k * n : (k + 1) * n], reference(real[k * n : (k + 1) * n])) for k in range(groups)]


def check(drawn: Tensor, real: Tensor, n: int, known: tuple[int, int], sizes: Sequence[int], seeds: Sequence[int] = (0, 1, 2)) -> dict[float, float]:
    """The n that the surrogate gives for the FID measured at n, by power of the spectrum; its figures are those at `known`.

    NaN where a fit is impossible or no n gives the level.
    """
    figures = {size: float(np.mean(at_equal_n(drawn, real, size))) for size in known}
    level = float(np.mean(at_equal_n(drawn, real, n)))
    found = {}
    for power in POWERS:
        try:
            found[power] = images_for(level, fit(figures, surrogate.power_law(drawn.shape[1], power), seeds), sizes, seeds)
        except ValueError:
            found[power] = float("nan")
    return found


def spectrum_power(features: Tensor) -> float:
    """The p of k^-p that fits the covariance spectrum of features [N,D], over its larger half on log axes."""
    values = surrogate.spectrum(features)
    half = values[: max(2, int((values > values[0] * 1e-9).sum()) // 2)]
    k = torch.arange(1, len(half) + 1, dtype=torch.float64)
    return float(-np.polyfit(k.log().numpy(), half.log().numpy(), 1)[0])
