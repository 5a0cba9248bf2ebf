"""Rows with the same classes as the miniatures at widths that take no time, and their parts with random weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from experiments.artefacts import write_json
from experiments.models import assemble
from experiments.models.recipes import RECIPES, Recipe
from experiments.models.tokenizers import clip_tokenizer
from experiments.training.components import text_towers
from experiments.training.journal import save

TEXTS = ["a small red metal cube", "a large blue rubber sphere to the left of a green cone", "three yellow cylinders"]
CHANNELS = 4
AUTOENCODER = RECIPES["autoencoder"].config | dict(block_out_channels=(8, 8, 8, 8), latent_channels=CHANNELS, norm_num_groups=4)
TOWER = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, hidden_act="quick_gelu")
CLIP = dict(text=TOWER, vision=TOWER | dict(image_size=64, patch_size=16), dimension=24)
WIDE = CLIP | dict(text=TOWER | dict(hidden_size=48, num_attention_heads=3, hidden_act="gelu"))
UNET = RECIPES["mini-sd1.5"].config["denoiser"] | dict(
    in_channels=CHANNELS, out_channels=CHANNELS, block_out_channels=(16, 16), cross_attention_dim=32, attention_head_dim=2, norm_num_groups=4
)
MMDIT = RECIPES["mini-sd3"].config["denoiser"] | dict(
    in_channels=CHANNELS, out_channels=CHANNELS, num_layers=2, attention_head_dim=16, num_attention_heads=2,
    caption_projection_dim=32, joint_attention_dim=80, pooled_projection_dim=48,
)  # fmt: skip
CONFIGS = {"autoencoder": AUTOENCODER, "clip": CLIP, "clip-wide": WIDE}


def row(name: str, **changes) -> Recipe:
    """The row `name` at tiny widths, with batches of 8."""
    recipe = RECIPES[name]
    config = dict(recipe.config) | {"mini-sd1.5": dict(denoiser=UNET), "mini-sd3": dict(denoiser=MMDIT)}.get(name, CONFIGS.get(name))
    return dataclasses.replace(recipe, **{"config": config, "batch": 8, "images": 96} | changes)


def parts(folder: Path) -> Path:
    """A weights folder with an autoencoder and two CLIP rows that know nothing; returns it."""
    torch.manual_seed(0)
    save(AutoencoderKL(**AUTOENCODER).eval(), folder / "autoencoder", {})
    tokenizer = clip_tokenizer(TEXTS, length=40, vocabulary=600)
    for name in ("clip", "clip-wide"):
        recipe = row(name)
        pair = assemble.clip(recipe, tokenizer).eval()
        tokenizer.save_pretrained(folder / name)
        for tower, module in text_towers(pair).items():
            if tower in recipe.config["towers"]:
                save(module, folder / name / tower, {})
    for name in ("autoencoder", "clip", "clip-wide"):
        write_json(folder / name / "training.json", {"recipe": name})
    return folder


def pipeline(name: str, folder: Path):
    """The pipeline of row `name` on `parts(folder)` with a random denoiser that does not say zero."""
    torch.manual_seed(1)
    made = assemble.pipeline(row(name), folder)
    last = made.unet.conv_out if name == "mini-sd1.5" else made.transformer.proj_out
    torch.nn.init.normal_(last.weight, std=0.1)
    return made
