"""The n that explains an FID: recovered where it is known."""

import numpy as np
import pytest
import torch

from experiments.metrics import level, surrogate

SHAPE = surrogate.power_law(32, 1.0)


def drawn(n, seed, shift=0.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 32, generator=g, dtype=torch.float64) * SHAPE.sqrt() + shift


def test_a_fit_passes_through_its_two_figures():
    truth = level.Fitted(3.0, 0.7, SHAPE)
    figures = {n: 0.7 + 3.0 * surrogate.first_order(n, SHAPE) for n in (500, 2000)}
    found = level.fit(figures, SHAPE)
    assert (found.scale, found.unlimited) == (pytest.approx(truth.scale), pytest.approx(truth.unlimited))


def test_the_n_of_a_level_comes_back():
    fitted = level.Fitted(2.0, 0.1, SHAPE)
    assert level.images_for(fitted.at(80, (0, 1)), fitted, (20, 40, 80, 160, 320), (0, 1)) == pytest.approx(80)
    assert np.isnan(level.images_for(1e9, fitted, (20, 40, 80)))


def test_figures_that_do_not_fall_with_n_are_refused():
    with pytest.raises(ValueError, match="no bias can be read"):
        level.fit({500: 1.0, 1000: 1.2}, SHAPE)


def test_on_pictures_whose_n_is_known_it_is_found_within_a_factor():
    x, y = drawn(1000, 1, shift=0.02), drawn(1000, 2)
    found = level.check(x, y, 60, (250, 500), (15, 30, 60, 120, 240))
    assert set(found) == set(level.POWERS)
    assert 30 < found[1.0] < 120


def test_groups_are_disjoint_and_of_equal_size_on_both_sides():
    x = drawn(100, 1)
    assert len(level.at_equal_n(x, drawn(90, 2), 30)) == 3
    assert level.at_equal_n(x, x, 50) == pytest.approx([0, 0], abs=1e-9)
    with pytest.raises(ValueError, match="no group of 200"):
        level.at_equal_n(x, x, 200)


def test_the_power_of_a_spectrum_is_read_from_features():
    assert level.spectrum_power(drawn(20_000, 3)) == pytest.approx(1.0, abs=0.05)
