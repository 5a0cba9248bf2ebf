"""Roads from noise to picture: what the pipeline went through, and how bent it is where that is known."""

import pytest
import tiny_models
import torch

from experiments.data.prompts import prompts
from experiments.sampling.generate import generate
from experiments.sampling.roads import SAMPLERS, Road, bends, noises, road, sampled_by

WANTED = prompts("tune", "colours", 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    made = tiny_models.pipeline("mini-sd1.5", tiny_models.parts(tmp_path_factory.mktemp("weights")))
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(params=SAMPLERS)
def pipe(whole, request):
    """The pipeline with each of the samplers in place of its own."""
    own = whole.scheduler
    yield sampled_by(whole, request.param)
    whole.scheduler = own


def test_a_road_leads_from_the_noise_of_generate_to_its_picture(pipe):
    call = dict(num_inference_steps=3, guidance_scale=2.0)
    found = road(pipe, WANTED, 5, **call)
    assert found.states.shape[0] == len(found.levels) == 4
    assert torch.equal(found.states[0], noises(pipe, WANTED, 5))
    assert found.levels[0][1] > 0.99 and found.levels[-1][0] > 0.999  # from the noisiest level to data
    with torch.inference_mode():
        picture = pipe.vae.decode(found.states[-1] / pipe.vae.config.scaling_factor).sample
    levels = ((picture.clamp(-1, 1) + 1) * 127.5).round()
    assert (levels - generate(pipe, WANTED, 5, **call).float()).abs().max() <= 1


def test_one_step_starts_at_the_noisiest_level(pipe):
    asked = []
    hook = pipe.unet.register_forward_pre_hook(lambda _, given: asked.append(float(given[1])))
    road(pipe, WANTED, 0, num_inference_steps=1, guidance_scale=1.0)
    hook.remove()
    assert len(asked) == 1 and asked[0] >= 998


def test_the_same_noise_and_picture_all_along_is_straight_once_the_path_is_taken_out():
    x0, eps = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    angles = torch.linspace(torch.pi / 2, 0, 21)
    levels = [(float(k.cos()), float(k.sin())) for k in angles]
    found = bends(Road(torch.stack([a * x0 + s * eps for a, s in levels]), levels, True))
    assert found["straightness, straightened"].max() < 1e-6 < 0.1 < found["straightness, own"].min()
    assert found["straightness, own"].shape == (3,)


def test_an_unknown_sampler_is_answered_with_those_there_are(whole):
    with pytest.raises(ValueError, match=r"no sampler 'PLMS': choose one of DDIM, DPM-Solver\+\+, Euler"):
        sampled_by(whole, "PLMS")
