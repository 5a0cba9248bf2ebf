"""KID: unbiased, equal to torchmetrics' on the same subset, its bootstrap free of pairs of a picture with itself."""

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from experiments.metrics.kernel import kid, kid_bootstrap, kid_subsets


def features(n: int, seed: int, d: int = 16, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_agrees_with_torchmetrics():
    """One subset of all pictures leaves torchmetrics nothing random: the same number must come out."""
    x, y = features(120, 1, shift=0.2), features(120, 2)
    metric = KernelInceptionDistance(feature=nn.Identity(), subsets=1, subset_size=120)
    metric.update(y, real=True)
    metric.update(x, real=False)
    theirs = float(metric.compute()[0])
    print(f"KID: ours {kid(x, y):.9f}, torchmetrics {theirs:.9f}")
    assert kid(x, y) == pytest.approx(theirs, rel=1e-6)
    assert kid_subsets(x, y, subsets=3, size=120).mean == pytest.approx(theirs, rel=1e-6)


def test_is_unbiased_where_fid_is_not():
    """Two sets of one distribution: zero on average at every n, and below zero half of the time."""
    for n in (10, 40):
        values = np.array([kid(features(n, s), features(n, 1000 + s)) for s in range(300)])
        assert abs(values.mean()) < 3 * values.std() / len(values) ** 0.5
        assert 0.3 < (values < 0).mean() < 0.8


def test_expectation_is_that_of_the_kernel():
    """Point masses at 0 and at c: k(0,0) + k(c,c) - 2 k(0,c) = 1 + (|c|^2/d + 1)^3 - 2."""
    x, y = torch.zeros(5, 4).double(), torch.full((7, 4), 2.0).double()
    assert kid(x, y) == pytest.approx(1 + (4 + 1) ** 3 - 2)


def test_bootstrap_is_centred_on_the_value_and_covers_the_truth():
    truth = kid(features(4000, 1, shift=0.3), features(4000, 2))
    inside = []
    for s in range(40):
        e = kid_bootstrap(features(80, 10 + s, shift=0.3), features(80, 900 + s), resamples=200, seed=s)
        assert e.low < e.value < e.high
        inside.append(e.low < truth < e.high)
    assert np.mean(inside) > 0.8


def test_bootstrap_with_every_picture_once_is_the_value():
    """The weighted form with all weights one is KID itself."""
    from experiments.metrics.kernel import _weighted, _within, kernel

    k = kernel(features(9, 3), features(9, 3))
    once = _weighted(k.clone().fill_diagonal_(0), torch.ones(1, 9).double())
    assert float(once) == pytest.approx(float(_within(k)))


def test_subsets_larger_than_the_set_are_refused():
    with pytest.raises(ValueError, match="there are 20 and 30"):
        kid_subsets(features(20, 1), features(30, 2), size=25)
