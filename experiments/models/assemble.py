"""Miniature models from their rows: the release's own diffusers and transformers classes at small widths."""

from __future__ import annotations

import importlib
from pathlib import Path

from diffusers import DiffusionPipeline
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from experiments.models.recipes import LENGTH, Recipe
from experiments.models.zoo import WEIGHTS, in_unit_range


def clip(recipe: Recipe, tokenizer: CLIPTokenizer) -> CLIPModel:
    """Both towers of a CLIP row, with random weights, for the vocabulary of `tokenizer`."""
    marks = dict(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    width = recipe.config["dimension"]
    text = recipe.config["text"] | dict(vocab_size=len(tokenizer), max_position_embeddings=LENGTH, projection_dim=width) | marks
    return CLIPModel(CLIPConfig(text_config=text, vision_config=recipe.config["vision"] | dict(projection_dim=width), projection_dim=width))


def pipeline(recipe: Recipe, weights: Path = WEIGHTS) -> DiffusionPipeline:
    """The pipeline of a text-to-image row: trained parts from `weights`, the denoiser with random weights.

    The row names a module of `models/pipelines`, one for each pipeline class.
    """
    module = importlib.import_module(f"experiments.models.pipelines.{recipe.config['pipeline'].replace('-', '_')}")
    made = module.assemble(recipe, weights)
    made.set_progress_bar_config(disable=True)
    return in_unit_range(made)
