"""CMMD: against its definition written out, against the published code's form, and against distributions known alike."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from experiments.metrics.cmmd import cmmd, cmmd_bootstrap


def units(n, d=16, seed=0, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=g, dtype=torch.float64) + shift, dim=1)


def written_out(x, y, keep_pairs_with_itself):
    """The double sum of the definition, pair by pair."""

    def mean(a, b, skip):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (skip and i == j)]
        return np.mean([np.exp(-float(((a[i] - b[j]) ** 2).sum()) / 200) for i, j in pairs])

    skip = not keep_pairs_with_itself
    return 1000 * (mean(x, x, skip) + mean(y, y, skip) - 2 * mean(x, y, False))


@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_double_sum_of_its_definition(biased):
    x, y = units(9, seed=1), units(7, seed=2, shift=0.5)
    assert cmmd(x, y, biased) == pytest.approx(written_out(x.numpy(), y.numpy(), biased), rel=1e-9)


def test_only_the_biased_form_depends_on_n_and_never_falls_below_zero():
    apart = {n: [cmmd(units(n, seed=2 * s), units(n, seed=2 * s + 1)) for s in range(40)] for n in (10, 80)}
    with_itself = {n: [cmmd(units(n, seed=2 * s), units(n, seed=2 * s + 1), biased=True) for s in range(40)] for n in (10, 80)}
    assert all(abs(np.mean(values)) < 4 * np.std(values) / 40**0.5 for values in apart.values())
    assert np.mean(with_itself[10]) / np.mean(with_itself[80]) == pytest.approx(8, rel=0.1)
    assert min(with_itself[10]) > 0
    x = units(20)
    assert cmmd(x, x, biased=True) == pytest.approx(0, abs=1e-9)


def test_the_interval_holds_the_value_and_tells_two_distributions_apart():
    same = cmmd_bootstrap(units(120, seed=1), units(120, seed=2))
    other = cmmd_bootstrap(units(120, seed=1), units(120, seed=2, shift=1.0))
    assert same.low < 0 < same.high and other.low > same.high
    assert other.n == 120 and other.low < other.value < other.high


def test_vectors_that_are_not_of_length_one_are_refused():
    with pytest.raises(ValueError, match="unit vectors"):
        cmmd(3 * units(4), units(4))
