"""The weights that ship with the project: small, complete, loaded by diffusers alone, and as good as their rows ask."""

import json
import os
from functools import lru_cache

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DiffusionPipeline,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetPipeline,
    T2IAdapter,
)
from transformers import CLIPModel, CLIPTokenizer

from experiments.artefacts import ROOT
from experiments.data.captions import caption
from experiments.data.dataset import scenes
from experiments.data.maps import condition
from experiments.data.render import render
from experiments.models.recipes import RECIPES

WEIGHTS = ROOT / "weights"
PIPELINES = sorted(p.parent for p in WEIGHTS.glob("[!.]*/model_index.json"))
BRANCHES = sorted(p for kind in ("controlnet", "t2i-adapter") for p in WEIGHTS.glob(f"{kind}-*"))
FOLDERS = sorted(p for p in WEIGHTS.glob("[!.]*") if p.is_dir())


def needs(name: str):
    return pytest.mark.skipif(not (WEIGHTS / name / "training.json").is_file(), reason=f"{name} is not trained yet")


@lru_cache(maxsize=1)
def held_out():
    """640 scenes of the validation split and their pictures, uint8."""
    drawn = scenes("validation", 0, 640)
    return drawn, torch.cat([render(drawn[i : i + 20]).image for i in range(0, 640, 20)])


@pytest.mark.parametrize("folder", PIPELINES, ids=lambda p: p.name)
def test_a_pipeline_loads_by_diffusers_and_draws(folder):
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    assert all(p.dtype == torch.float32 for m in pipeline.components.values() if isinstance(m, torch.nn.Module) for p in m.parameters())
    call = dict(RECIPES[folder.name].defaults) | dict(num_inference_steps=4) if folder.name in RECIPES else dict(num_inference_steps=4)
    image = pipeline(prompt="a large red rubber cube", generator=torch.Generator().manual_seed(0), **call).images[0]
    assert image.size == (64, 64) and image.mode == "RGB"
    assert max(high - low for low, high in image.getextrema()) > 30


@pytest.mark.parametrize("folder", BRANCHES, ids=lambda p: p.name)
def test_a_network_that_reads_maps_loads_by_diffusers_and_moves_the_picture(folder):
    kind = folder.name.rpartition("-")[2]
    if folder.name.startswith("controlnet"):
        branch, made, part, scale = ControlNetModel, StableDiffusionControlNetPipeline, "controlnet", "controlnet_conditioning_scale"
    else:
        branch, made, part, scale = T2IAdapter, StableDiffusionAdapterPipeline, "adapter", "adapter_conditioning_scale"
    held = branch.from_pretrained(folder)
    assert {p.dtype for p in held.parameters()} == {torch.float32}
    pipeline = made.from_pretrained(WEIGHTS / "mini-sd1.5", **{part: held}, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    scene = scenes("validation", 0, 1)
    call = dict(RECIPES["mini-sd1.5"].defaults) | dict(num_inference_steps=4, image=condition(kind, scene).float() / 255, output_type="np")
    alone, led = (pipeline("a red cube", generator=torch.Generator().manual_seed(0), **{scale: s}, **call).images for s in (0.0, 1.0))
    assert alone.shape == led.shape == (1, 64, 64, 3) and np.isfinite(led).all()
    assert np.abs(led - alone).mean() > 1e-4  # an untrained one, whose connections are 0, changes nothing at all


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_links_resolve_inside_the_weights(folder):
    for path in folder.rglob("*"):
        if path.is_symlink():
            assert not os.path.isabs(os.readlink(path)), path
            assert path.resolve(strict=True).is_relative_to(WEIGHTS.resolve()), path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_configs_name_no_folder_of_a_machine(folder):
    for path in folder.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text and '"_name_or_path": "/' not in text, path


@pytest.mark.parametrize("name", [n for n in RECIPES if (WEIGHTS / n / "training.json").is_file()])
def test_a_miniature_has_its_record(name):
    record = json.loads((WEIGHTS / name / "training.json").read_text(encoding="utf-8"))
    assert record["recipe"] == name and 0 < record["images_seen"]
    assert record["scores"] and record["parameters"] > 0
    assert record["curve"] or record["recipe"] == "aesthetic-proxy"  # fitted in one step
    assert all(metric in record["scores"] for metric in RECIPES[name].expected)


def test_all_weights_together_are_small():
    """Links count once; the whole repository stays easy to clone. What was measured with the weights is none, nor are tokenizers and records."""
    real = {path.resolve() for path in WEIGHTS.rglob("*") if path.is_file() and not any(p.startswith(".") for p in path.parts)}
    measured = {path for path in real if path.relative_to(WEIGHTS.resolve()).parts[0] in ("studies", "evaluation")}
    weights = {path for path in real - measured if path.suffix == ".safetensors"}
    for files, megabytes in ((weights, 100), (real - measured - weights, 2), (measured, 12)):
        assert sum(path.stat().st_size for path in files) < megabytes * 1e6


@needs("autoencoder")
@torch.no_grad()
def test_the_autoencoder_reaches_its_bar_and_its_codes_are_unit():
    from experiments.training.autoencoder import psnr, to_tensor

    model = AutoencoderKL.from_pretrained(WEIGHTS / "autoencoder", torch_dtype=torch.float32).eval()
    pictures = to_tensor(held_out()[1][:200])
    found = psnr(model, pictures)
    assert found.mean() >= RECIPES["autoencoder"].expected["psnr"]
    code = model.encode(pictures).latent_dist.mean
    assert code.shape[1:] == (16, 8, 8)
    assert code.mean((0, 2, 3)).abs().max() < 0.2 and (code.std((0, 2, 3)) - 1).abs().max() < 0.15


@needs("clip")
def test_the_clip_pair_reaches_its_bar():
    from experiments.training.clip import retrieval

    model, tokenizer = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32).eval(), CLIPTokenizer.from_pretrained(WEIGHTS / "clip")
    drawn, pictures = held_out()
    texts = [caption(s, "en", 0) for s in drawn]
    ids = torch.tensor(tokenizer(texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True)["input_ids"])
    assert retrieval(model, pictures.numpy(), ids).float().mean() >= RECIPES["clip"].expected["retrieval@1 of 64"]


@needs("mini-sd1.5")
@needs("mini-sd3")
def test_parts_that_are_the_same_are_there_once():
    for name in ("mini-sd1.5", "mini-sd3"):
        file = (WEIGHTS / name / "vae" / "diffusion_pytorch_model.safetensors").resolve()
        assert file == (WEIGHTS / "autoencoder" / "diffusion_pytorch_model.safetensors").resolve()
        assert (WEIGHTS / name / "text_encoder").is_symlink()
