"""FLUX's studies: what they ask of whom, and how evaluations are counted."""

from types import SimpleNamespace

import pytest
import torch

from experiments.data.prompts import CATEGORIES, prompts
from experiments.studies import flux
from experiments.studies.study import find


def test_each_system_is_a_study_of_its_own_over_a_thousand_pictures():
    assert [study.name for study in flux.STUDIES] == ["flux-teacher", "flux-dev", "flux-schnell"]
    assert flux.PROMPTS * len(CATEGORIES) * len(flux.SEEDS) >= 1000
    for name, study in zip(flux.PARTS, flux.STUDIES):
        assert study.needs[0] == name and list(study.parts())[0] == ((0.0, 4) if name == flux.SCHNELL else (flux.W, flux.STEPS))
        assert find(study.name) is not None


class Transformer(torch.nn.Module):
    def forward(self, hidden_states):
        return hidden_states


@pytest.mark.parametrize(("name", "passes"), [(flux.TEACHER, 2), (flux.DEV, 1)])
def test_two_passes_a_step_count_twice(name, passes, monkeypatch):
    seen = {}

    def pipeline(prompt, generator, num_inference_steps, output_type, **call):
        seen.update(call)
        for _ in range(num_inference_steps * (2 if call.get("true_cfg_scale", 1.0) > 1 else 1)):
            pipeline.transformer(hidden_states=torch.zeros(len(prompt), 4, 8))
        return SimpleNamespace(images=torch.zeros(len(prompt), 3, 8, 8))

    pipeline.transformer = Transformer()
    monkeypatch.setattr(flux, "zoo", SimpleNamespace(load=lambda name: pipeline, defaults=lambda name: {"height": 64}))
    pictures, asked = flux.drawn(name, 4.0, 5, prompts("test", "colours", 30), 0)
    assert asked == 5 * passes and pictures.shape == (30, 3, 8, 8)
    assert seen == {"height": 64, "true_cfg_scale" if passes == 2 else "guidance_scale": 4.0}
    assert not pipeline.transformer._forward_pre_hooks
