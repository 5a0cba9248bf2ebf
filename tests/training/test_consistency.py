"""Consistency distillation: its boundary and pictures against diffusers, its loss where the answer is known, an arm from teacher to folder."""

import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline, LCMScheduler

from experiments.data import dataset
from experiments.models.recipes.guidance import DDIM
from experiments.training import consistency
from experiments.training import consistency_loss as lcm
from experiments.training.journal import save

KEPT = DDIMScheduler(**DDIM).alphas_cumprod


def network(f):
    return lambda x, t, words: SimpleNamespace(sample=f(x, t, words))


@pytest.mark.parametrize("t", [0, 19, 499, 999])
def test_pictures_are_those_of_diffusers(t):
    scheduler = LCMScheduler(**{k: v for k, v in DDIM.items() if k not in ("clip_sample", "timestep_spacing")}, original_inference_steps=50)
    scheduler.set_timesteps(1)
    x, eps = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(t))
    scheduler.timesteps = torch.tensor([t])
    wanted = scheduler.step(eps, torch.tensor(t), x).denoised
    found = lcm.picture(network(lambda *_: eps), KEPT, x, torch.full((3,), t), None)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_the_grid_is_that_of_the_scheduler():
    scheduler = LCMScheduler(original_inference_steps=1000 // lcm.STRIDE)
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == [lcm.STRIDE * k - 1 for k in range(50, 0, -1)]


def test_at_time_zero_a_point_is_its_own_picture():
    x = torch.randn(2, 1, 2, 2)
    assert torch.equal(lcm.picture(network(lambda x, t, words: torch.full_like(x, 7.0)), KEPT, x, torch.tensor([-1, 0]), None), x)


def test_a_student_that_says_the_same_all_along_the_road_has_no_loss():
    """All data are 0, so a noised code is s eps and the noise is known from it; every point of a road shows 0, and skip(t) is small but
    at time 0. A student that never sees noise says another picture at each time."""
    nothing = torch.zeros(1, 1, 2, 2)
    exact = network(lambda x, t, words: x / (1 - KEPT[t]).sqrt().view(-1, 1, 1, 1))
    data = (nothing, nothing), torch.zeros(1, 1, 1, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long)

    def lost(student):
        made = lcm.loss(student, student, exact, KEPT, data, lambda ids: ids[..., None].float(), 4.0, 64)
        return made(0, torch.Generator().manual_seed(0)).item()

    assert lost(exact) < 0.02 < 0.1 < lost(network(lambda x, t, words: 0 * x))


def test_an_arm_from_its_teacher_to_a_folder_that_diffusers_loads(tmp_path, monkeypatch):
    import tiny_models

    monkeypatch.setenv("EXPERIMENTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dataset, "CHUNK", 16)
    monkeypatch.setattr(consistency, "BATCH", 8)
    weights = tiny_models.parts(tmp_path)
    save(tiny_models.pipeline("mini-sd1.5", weights), weights / "mini-sd1.5", {})
    folder = consistency.train(32, weights=weights, scenes=16)
    assert json.loads((folder / "training.json").read_text())["images_seen"] == 32
    before = (folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_mtime_ns
    assert consistency.train(32, weights=weights, scenes=16) == folder != consistency.train(16, weights=weights, scenes=16)
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_mtime_ns == before
    pipe = DiffusionPipeline.from_pretrained(folder)
    assert type(pipe.scheduler).__name__ == "LCMScheduler" and pipe.scheduler.config.original_inference_steps == 50
    pipe.set_progress_bar_config(disable=True)
    assert pipe("a red cube", num_inference_steps=2, guidance_scale=1.0, output_type="pt").images.isfinite().all()
