"""ControlNet and T2I-Adapter: what they change before training, what they learn, how they draw."""

import pytest
import torch

from experiments.adapters import control
from experiments.adapters.control import Branch
from experiments.adapters.drawing import draw, picture, wish
from experiments.data.dataset import scenes


@pytest.fixture
def one(pipe):
    return torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 6, pipe.unet.config.cross_attention_dim), torch.rand(1, 3, 64, 64)


def apart(pipe, branch, one, **options):
    with torch.no_grad():
        return float((control.predict(pipe.unet, branch, *one, **options) - pipe.unet(*one[:3]).sample).abs().max())


def built(monkeypatch, pipe, **options):
    monkeypatch.setattr(control, "EMBEDDING", (4, 4, 8, 8))
    return control.build(Branch("edges", **options), pipe.unet)


def test_zero_convolutions_change_nothing_and_learn_all_the_same(pipe, one, monkeypatch):
    branch = built(monkeypatch, pipe)
    assert apart(pipe, branch, one) == 0
    pipe.unet.requires_grad_(False)
    (control.predict(pipe.unet, branch, *one) - 1).square().mean().backward()
    first, *outs = control.connections(branch)
    assert all(layer.weight.grad.abs().max() > 0 for layer in outs) and first.weight.grad.abs().max() == 0
    with torch.no_grad():
        for layer in outs:
            layer.weight -= 0.1 * layer.weight.grad
    (control.predict(pipe.unet, branch, *one) - 1).square().mean().backward()
    assert first.weight.grad.abs().max() > 0


def test_an_ordinary_beginning_does_harm_which_the_scale_takes_back(pipe, one, monkeypatch):
    branch = built(monkeypatch, pipe, init="ordinary")
    assert apart(pipe, branch, one) > 1e-3
    assert apart(pipe, branch, one, scale=0.0) < 1e-6


@pytest.mark.parametrize("way", ["controlnet", "t2i-adapter"])
def test_both_draw_through_diffusers_own_pipelines(pipe, way, monkeypatch):
    branch = built(monkeypatch, pipe, way=way)
    prompts = [wish(scene, str(i)) for i, scene in enumerate(scenes("test", 0, 3))]
    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    options = {control.scale_argument(branch): 0.5, "num_inference_steps": 2}
    drawn = draw(control.attach(pipe, branch), prompts, 0, {"image": picture(pictures)}, batch=2, **options)
    assert drawn.shape == (3, 3, 64, 64) and drawn.dtype == torch.uint8


def test_an_unknown_branch_is_refused(pipe):
    with pytest.raises(ValueError, match="controlnet"):
        control.build(Branch("edges", "hypernetwork"), pipe.unet)
