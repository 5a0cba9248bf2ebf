"""What the rows of the family have in common: budget, optimiser, bars, and the modules that their weights follow from.

All that are trained from the beginning see 1,000,000 images with the same optimiser. A forward pass of one code costs the U-Net
of Stable Diffusion 1.5, the MM-DiTs of Stable Diffusion 3 and 3.5, FLUX.2, Hunyuan-DiT and PixArt 217 to 263 million operations,
within 10% of their middle. FLUX.1 packs a code into 16 tokens and the Kandinskys' U-Nets have most of their weights where there
are few positions: they would need more weights than may ship, and stay at 114 to 127 million.
"""

from __future__ import annotations

from typing import Any

from experiments.models.recipes.bars import FAMILY_BARS
from experiments.models.recipes.recipe import CAPTIONS, LOOP, RENDER, Recipe

PIXELS = dict(height=64, width=64)
PLAIN = dict(vae="autoencoder")
TRAINER = "experiments.training.text_to_image"


def member(name: str, pipeline: str, trainer: str = "train", config: dict[str, Any] | None = None, **row: Any) -> Recipe:
    """A row of the family; what is not given is as in all of them."""
    by = (LOOP, RENDER, CAPTIONS, "experiments.training.denoising", f"experiments.training.conditions.{pipeline.replace('-', '_')}")
    shared = dict(images=1_000_000, batch=64, rate=1e-3, expected=FAMILY_BARS, made_by=by)
    return Recipe(name, trainer if ":" in trainer else f"{TRAINER}:{trainer}", config=dict(pipeline=pipeline) | (config or {}), **shared | row)
