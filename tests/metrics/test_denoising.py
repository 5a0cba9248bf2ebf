"""Errors of x0 and choices between captions, on pipelines whose answers are known."""

import pytest
import torch

from experiments.metrics import denoising


@pytest.fixture
def knowing(stable_diffusion, monkeypatch):
    """A pipeline whose denoiser knows the data, and says so wrongly by `error` where the caption is not "a cube"."""
    x0 = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    state = {"error": 0.0}

    def says(pipe, x, t, texts):
        a, s = denoising.coefficients(pipe.scheduler, t)
        wrong = torch.tensor([state["error"] * (text != "a cube") for text in texts]).view(-1, 1, 1, 1)
        return (x - a * x0[: len(x)]) / s + wrong

    monkeypatch.setattr(denoising, "says", says)
    return stable_diffusion, x0, state


def test_an_error_of_noise_weighs_more_in_the_data_the_more_noise_there_is(knowing):
    pipe, x0, state = knowing
    assert all(e.max() < 1e-6 for e in denoising.errors(pipe, x0, ["a cone"] * 3).values())
    state["error"] = 0.1
    for t, found in denoising.errors(pipe, x0, ["a cone"] * 3).items():
        a, s = denoising.coefficients(pipe.scheduler, t)
        assert found == pytest.approx((0.1 * s / a) ** 2, rel=1e-2)


def test_the_caption_with_the_smaller_error_is_chosen(knowing):
    pipe, x0, state = knowing
    state["error"] = 0.1
    assert denoising.choices(pipe, x0, ["a cube"] * 3, ["a cone"] * 3).all()
    assert not denoising.choices(pipe, x0, ["a cone"] * 3, ["a cube"] * 3).any()


def test_every_model_sees_the_same_noise():
    shape = (2, 4, 8, 8)
    assert torch.equal(denoising.noise(shape, 500, 0), denoising.noise(shape, 500, 0))
    assert not torch.equal(denoising.noise(shape, 500, 0), denoising.noise(shape, 501, 0))
    assert not torch.equal(denoising.noise(shape, 500, 0), denoising.noise(shape, 500, 1))


def test_what_a_pipeline_says_is_what_its_denoiser_says(stable_diffusion):
    x = torch.randn(2, 4, 8, 8)
    words, _ = stable_diffusion.encode_prompt(["a cube", "a cone"], "cpu", 1, False)
    expected = stable_diffusion.unet(x, 500, words).sample
    assert torch.allclose(denoising.says(stable_diffusion, x, 500, ["a cube", "a cone"]), expected, atol=1e-5)


def test_an_unknown_kind_of_prediction_is_named(stable_diffusion):
    from diffusers import DDIMScheduler

    odd = DDIMScheduler()
    odd.register_to_config(prediction_type="flow")
    with pytest.raises(ValueError, match="'flow' is not one of epsilon"):
        denoising.clean(odd, torch.zeros(1), torch.zeros(1), 5)
