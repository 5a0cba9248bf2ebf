"""Bytes for metrics: rounded, finite, and an error that names the picture otherwise."""

import pytest
import torch

from experiments.metrics.images import require_uint8, to_uint8


def test_every_byte_survives_the_way_there_and_back():
    levels = torch.arange(256).float().repeat(1, 3, 1)[..., None]
    assert torch.equal(to_uint8(levels / 127.5 - 1), levels.to(torch.uint8))


def test_truncation_would_darken_by_half_a_level():
    """What `normalize=True` of torchmetrics does."""
    x = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    exact = (x.double() + 1) * 127.5
    assert abs(float((to_uint8(x).double() - exact).mean())) < 0.01
    truncated = ((x + 1) / 2 * 255).byte()
    assert float((truncated.double() - exact).mean()) == pytest.approx(-0.5, abs=0.01)


def test_values_outside_the_range_are_clipped_not_wrapped():
    x = torch.tensor([-3.0, 3.0, -1.001, 1.001]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert to_uint8(x)[0, 0].flatten().tolist() == [0, 255, 0, 255]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_broken_picture_is_named(bad):
    x = torch.zeros(5, 3, 4, 4)
    x[3, 1, 2, 2] = bad
    with pytest.raises(ValueError, match="picture 3"):
        to_uint8(x)


def test_half_precision_is_rounded_in_float32():
    x = torch.linspace(-1, 1, 3 * 64).view(1, 3, 8, 8)
    assert (to_uint8(x.bfloat16()).int() - to_uint8(x.bfloat16().float()).int()).abs().max() == 0


def test_wrong_types_say_what_to_do():
    with pytest.raises(TypeError, match="to_uint8"):
        require_uint8(torch.zeros(1, 3, 4, 4))
    with pytest.raises(TypeError, match="floating"):
        to_uint8(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="B, 3, H, W"):
        to_uint8(torch.zeros(3, 4, 4))
