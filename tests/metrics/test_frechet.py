"""FID: against closed forms, scipy's own formula and torchmetrics' class; its bias; others' mistakes."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from experiments.metrics.frechet import fid, fid_bootstrap, fid_infinity, reference

SHAPES = [(90, 110, 128), (90, 700, 128), (700, 90, 128), (500, 400, 128), (129, 128, 128)]  # all three forms


def features(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    """Correlated Gaussian features with a falling spectrum, as networks' are."""
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    spectrum = torch.arange(1, d + 1, dtype=torch.float64) ** -0.7
    white = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (white * spectrum) @ mix / d**0.5 + shift


def scipy_formula(x: torch.Tensor, y: torch.Tensor) -> float:
    """pytorch-fid's: the matrix root of a product that is not symmetric."""
    a, b = np.cov(x.numpy(), rowvar=False), np.cov(y.numpy(), rowvar=False)
    root = scipy.linalg.sqrtm(a @ b).real
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(root))


class Passing(nn.Module):
    """A feature network that is given features."""

    num_features = 128

    def forward(self, x):
        return x


@pytest.mark.parametrize(("n", "m", "d"), SHAPES)
def test_every_form_agrees_with_scipy_and_torchmetrics(n, m, d):
    x, y = features(n, d, 1, 0.1), features(m, d, 2)
    metric = FrechetInceptionDistance(feature=Passing(), normalize=True).set_dtype(torch.float64)
    metric.update(y, real=True)
    metric.update(x, real=False)
    ours, theirs, scipys = fid(x, reference(y)), float(metric.compute()), scipy_formula(x, y)
    print(f"n={n} m={m} d={d}: ours {ours:.9f}, torchmetrics {theirs:.9f}, scipy {scipys:.9f}")
    assert ours == pytest.approx(scipys, rel=1e-6)
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_closed_form_of_two_gaussians():
    """Diagonal Gaussians: |difference of means|^2 + sum of (difference of deviations)^2."""
    whitened = features(4000, 6, 3)
    whitened = whitened - whitened.mean(0)
    whitened = whitened @ torch.linalg.inv(torch.linalg.cholesky(whitened.T @ whitened / 3999)).T
    a, b = torch.tensor([1.0, 2, 3, 4, 5, 6]).double(), torch.tensor([2.0, 2, 2, 2, 2, 2]).double()
    want = 6 * 0.25 + ((a - b) ** 2).sum()
    assert fid(whitened * a + 0.5, reference(whitened * b)) == pytest.approx(float(want), rel=1e-9)


def test_of_a_set_with_itself_is_zero():
    for n in (60, 400):
        x = features(n, 128, 4)
        assert fid(x, reference(x)) == pytest.approx(0, abs=1e-6)


def test_order_and_rotation_do_not_matter_and_duplicates_do_only_through_n():
    x, y = features(300, 32, 5), features(400, 32, 6)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(features(32, 32, 7)).Q
    value = fid(x, reference(y))
    close = pytest.approx(value, rel=1e-8)  # roots of eigenvalues near 1e-10 keep half their digits: 1.4e-9 was seen on one processor
    assert fid(x[order], reference(y)) == close
    assert fid(x @ turn, reference(y @ turn)) == close
    assert fid(y, reference(x)) == close
    assert fid(x.repeat(2, 1), reference(y)) == pytest.approx(value, rel=0.02)  # n - 1 counts the copies


def test_bias_falls_as_one_over_n_and_is_extrapolated_away():
    """Two sets of one distribution: the true distance is 0, FID_n is c/n."""
    y = reference(features(20_000, 32, 8))
    mean = {n: np.mean([fid(features(n, 32, 100 + s), y) for s in range(20)]) for n in (100, 200, 400)}
    assert mean[100] / mean[200] == pytest.approx(2, rel=0.15)
    assert mean[200] / mean[400] == pytest.approx(2, rel=0.15)
    line = fid_infinity(features(1000, 32, 9), y)
    assert abs(line.estimate.value) < 0.15 * line.values[-1]
    assert line.estimate.low < 0.02 < line.estimate.high or line.estimate.low < 0 < line.estimate.high
    assert line.slope > 0 and line.estimate.n == 1000


def test_extrapolation_refuses_too_few_pictures():
    with pytest.raises(ValueError, match="at least 320 are needed"):
        fid_infinity(features(100, 128, 1), reference(features(500, 128, 2)))
    with pytest.raises(ValueError, match="at least 5 different"):
        fid_infinity(features(100, 8, 1), reference(features(500, 8, 2)), sizes=(50, 100))


def test_bootstrap_by_gram_matrix_equals_bootstrap_by_recomputing():
    x, y = features(60, 128, 10, 0.05), reference(features(600, 128, 11))
    estimate = fid_bootstrap(x, y, resamples=20, seed=3)
    picks = np.random.default_rng(3).integers(60, size=(20, 60))
    again = np.array([fid(x[p], y) for p in picks])
    low, high = np.quantile(again - again.mean(), [0.025, 0.975])
    assert estimate.value == pytest.approx(fid(x, y))
    assert estimate.low == pytest.approx(estimate.value + low, rel=1e-6)
    assert estimate.high == pytest.approx(estimate.value + high, rel=1e-6)


def test_interval_holds_the_value_expected_at_this_n():
    """The plain percentile interval would miss it nearly always: a resample has fewer different pictures."""
    y = reference(features(5000, 16, 12))
    expected = np.mean([fid(features(150, 16, 300 + s, 0.1), y) for s in range(60)])
    inside = [e.low < expected < e.high
              for e in (fid_bootstrap(features(150, 16, 500 + s, 0.1), y, resamples=100, seed=s) for s in range(40))]
    assert np.mean(inside) > 0.8


def test_errors_name_the_picture_and_the_mismatch():
    x = features(20, 8, 13)
    x[7, 2] = float("nan")
    with pytest.raises(ValueError, match="picture 7"):
        reference(x)
    with pytest.raises(ValueError, match="same feature network"):
        fid(features(20, 8, 1), reference(features(20, 9, 1)))
    with pytest.raises(ValueError, match="at least 2 rows"):
        fid(features(1, 8, 1), reference(features(20, 8, 1)))


def test_the_unsymmetrised_shortcut_is_wrong():
    """torch-fidelity #46: eigvalsh of the product itself reads one triangle of a matrix that is not symmetric."""
    x, y = features(500, 32, 14, 0.1), features(500, 32, 15)
    y[:, :4] *= 3
    a, b = torch.cov(x.T), torch.cov(y.T)
    naive = ((x.mean(0) - y.mean(0)) ** 2).sum() + a.trace() + b.trace()
    naive -= 2 * torch.linalg.eigvalsh(a @ b).clamp_min(0).sqrt().sum()
    assert abs(float(naive) - scipy_formula(x, y)) > 1e-3 * scipy_formula(x, y)
    assert fid(x, reference(y)) == pytest.approx(scipy_formula(x, y), rel=1e-6)
