"""Opened models draw in as few steps as they are asked for, the released InstaFlow as its own pipeline does."""

import pytest
import torch

from experiments.data.prompts import prompts
from experiments.models import hub, systems
from experiments.sampling.few_steps import opened
from experiments.sampling.generate import generate, generator
from experiments.sampling.roads import road

WANTED = prompts("tune", "colours", 2)


def test_the_release_draws_what_its_own_pipeline_draws(release):
    release("instaflow")
    pipe, call = opened("instaflow")
    own = hub.load(hub.fetch(systems.find("instaflow")), torch.float32)
    call = {name: 64 for name in call}
    noise = [generator(p.id, 0) for p in WANTED]
    theirs = (own(prompt=[p.text for p in WANTED], generator=noise, output_type="pt", **call).images * 255).round()
    ours = generate(pipe, WANTED, 0, num_inference_steps=1, guidance_scale=1.0, **call)
    assert (ours.float() - theirs).abs().mean() < 2  # its time is 999 of 1000, theirs 1000
    found = road(pipe, WANTED, 0, num_inference_steps=4, guidance_scale=1.0, **call)
    assert not found.curved and len(found.states) == 5


def test_a_system_without_a_u_net_of_that_class_is_refused(release):
    release("sdxl")
    with pytest.raises(ValueError, match="such as sd1.5 or instaflow"):
        opened("sdxl")
