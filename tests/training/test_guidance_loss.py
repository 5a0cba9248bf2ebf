"""Guidance distillation: its algebra against DDIM, its two targets against closed forms, and a student from row to folder."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline

from experiments.data import dataset
from experiments.models.recipes import RECIPES
from experiments.models.recipes.guidance import DDIM
from experiments.training import guidance_loss as distil
from experiments.training.journal import Journal, save

KEPT = DDIMScheduler(**DDIM).alphas_cumprod
CLOSE = dict(atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_a_step_is_diffusers_and_its_grid_is_the_trailing_one(steps):
    scheduler = DDIMScheduler(**DDIM)
    scheduler.set_timesteps(steps)
    drawn = set(distil.trailing(steps, 400, torch.Generator().manual_seed(0)).tolist())
    assert drawn == set(scheduler.timesteps.tolist())
    x, eps = torch.randn(2, 2, 4, 4), torch.randn(2, 2, 4, 4)
    for t in scheduler.timesteps:
        now, then = (distil.level(KEPT, at.repeat(2)) for at in (t, t - 1000 // steps))
        landed = distil.step(x, eps, now, then)
        torch.testing.assert_close(landed, scheduler.step(eps, t, x).prev_sample, **CLOSE)
        torch.testing.assert_close(distil.aimed(x, landed, now, then), eps, atol=1e-3, rtol=1e-3)
        nudged = distil.step(x, eps + 0.1, now, then) - landed
        torch.testing.assert_close(nudged, 0.1 * distil.reach(now, then).expand_as(x), atol=1e-3, rtol=1e-3)


def network(f):
    """A stand-in that says f(x, words, told)."""
    return lambda x, t, words, timestep_cond=None: SimpleNamespace(sample=f(x, words, timestep_cond))


def test_stage_one_asks_for_guidance():
    teacher = network(lambda x, words, told: x * words.mean((1, 2)).view(-1, 1, 1, 1))
    x, empty, words = torch.randn(3, 1, 2, 2), torch.full((3, 1, 1), 2.0), torch.full((3, 1, 1), 5.0)
    w = torch.tensor([0.0, 1.0, 4.0])
    found = distil.guided(teacher, x, torch.zeros(3, dtype=torch.long), empty, words, w)
    torch.testing.assert_close(found, x * torch.tensor([2.0, 5.0, 14.0]).view(-1, 1, 1, 1))


def test_stage_two_aims_where_two_steps_land():
    teacher = network(lambda x, words, told: 0.3 * x)
    x, t = torch.randn(2, 1, 2, 2), torch.tensor([999, 249])
    eps = distil.halved(teacher, KEPT, x, t, 250, None, None)
    now, half, then = (distil.level(KEPT, t - back) for back in (0, 125, 250))
    once = distil.step(x, 0.3 * x, now, half)
    torch.testing.assert_close(distil.step(x, eps, now, then), distil.step(once, 0.3 * once, half, then), **CLOSE)


def test_a_perfect_student_has_no_loss():
    def teacher(x, t, words, timestep_cond=None):
        return SimpleNamespace(sample=x * words.mean((1, 2)).view(-1, 1, 1, 1))

    def student(x, t, words, timestep_cond):
        return SimpleNamespace(sample=x * (1 + timestep_cond.view(-1, 1, 1, 1) * (words.mean((1, 2)).view(-1, 1, 1, 1) - 1)))

    data = (torch.zeros(5, 1, 2, 2), torch.ones(5, 1, 2, 2)), torch.arange(5).view(5, 1, 1), torch.tensor([[0]])
    words = lambda ids: 1.0 + ids[..., None].float()  # noqa: E731  the empty caption is 0
    settings = dict(stage=1, steps=4, weights=(1.0, 8.0))
    loss = distil.loss(student, teacher, KEPT, data, words, lambda w: w, settings, 6)
    assert loss(0, torch.Generator().manual_seed(0)).item() == pytest.approx(0, abs=1e-8)
    worse = distil.loss(teacher, teacher, KEPT, data, words, lambda w: w, settings, 6)
    assert worse(0, torch.Generator().manual_seed(0)).item() > 1e-4


# ---- rows -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Weights of a tiny teacher, a student of each stage and a classifier, trained for a few steps; 16 scenes in an empty cache."""
    import tiny_models

    from experiments.training import guidance_distillation, latent_classifier

    tiny_parts = tiny_models.parts(tmp_path_factory.mktemp("weights"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPERIMENTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(dataset, "CHUNK", 16)
        teacher = tiny_models.pipeline("mini-sd1.5", tiny_parts)
        save(teacher, tiny_parts / "mini-sd1.5", {})
        for name, train in {
            "mini-sd1.5-guided": guidance_distillation.train,
            "mini-sd1.5-guided-4": guidance_distillation.train,
            "latent-classifier": latent_classifier.train,
        }.items():
            own = RECIPES[name].config
            if name == "latent-classifier":
                config = own | dict(classifier=dict(in_channels=tiny_models.CHANNELS, width=16, norm_num_groups=4))
            else:
                config = own | dict(denoiser=tiny_models.UNET | dict(time_cond_proj_dim=16))
            recipe = dataclasses.replace(RECIPES[name], config=config, images=24, batch=8)
            journal = Journal(recipe, torch.device("cpu"), lambda thing, thorough: {"share": {"value": 0.5}})
            train(recipe, journal, scenes=16, weights=tiny_parts)
        yield tiny_parts


def test_a_student_heeds_w_and_is_asked_once_a_step(workshop):
    pipe = DiffusionPipeline.from_pretrained(workshop / "mini-sd1.5-guided", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    asked = []
    pipe.unet.register_forward_hook(lambda module, args, out: asked.append(len(args[0])))
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures = [pipe("a cube", latents=start, guidance_scale=w, num_inference_steps=4, output_type="latent").images for w in (2.0, 6.0)]
    assert asked == [1] * 8
    assert not torch.equal(*pictures)


def test_a_student_starts_as_its_teacher(workshop):
    import tiny_models

    from experiments.training.guidance_distillation import inherit

    teacher = tiny_models.pipeline("mini-sd1.5", workshop).unet
    student = type(teacher)(**tiny_models.UNET | dict(time_cond_proj_dim=16))
    inherit(student, teacher)
    x, t, words, told = torch.randn(2, 4, 8, 8), torch.tensor(400), torch.randn(2, 5, 32), torch.randn(2, 16)
    torch.testing.assert_close(student(x, t, words, timestep_cond=told).sample, teacher(x, t, words).sample, **CLOSE)
    with pytest.raises(ValueError, match="not the teacher's"):
        inherit(type(teacher)(**tiny_models.UNET | dict(layers_per_block=2)), teacher)


@pytest.mark.parametrize("name", ["mini-sd1.5-guided", "mini-sd1.5-guided-4", "latent-classifier"])
def test_records_are_complete(workshop, name):
    record = json.loads((workshop / name / "training.json").read_text(encoding="utf-8"))
    assert record["recipe"] == name and record["images_seen"] == 24 and record["scores"]
    assert record["curve"] and all(loss >= 0 for _, loss in record["curve"])


def test_the_students_own_the_network_alone(workshop):
    for part in ("text_encoder", "vae/diffusion_pytorch_model.safetensors"):
        assert (workshop / "mini-sd1.5-guided-4" / part).is_symlink()
