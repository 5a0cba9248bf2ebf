"""The scores that a training record holds, one function for each kind of miniature."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from experiments.data.captions import caption
from experiments.data.dataset import images, scenes
from experiments.data.prompts import CATEGORIES, Prompt, prompts
from experiments.metrics.alignment import by_category, evaluate, overall
from experiments.metrics.checker_training import measure as ceiling
from experiments.metrics.intervals import Estimate, bootstrap, wilson
from experiments.models.recipes import RECIPES
from experiments.sampling.generate import generate

PER_CATEGORY = {"tune": 20, "test": 200}
HELD_OUT = 1280
FULLEST = 3  # the style of caption that names most


def measure(name: str, thing: Any, thorough: bool) -> dict[str, dict[str, Any]]:
    """Scores of the miniature `name` as its training leaves it: quick ones on the way, thorough ones for the record.

    Text-to-image rows are followed on the `tune` prompts and scored at the end, once, on the `test` prompts.
    """
    if name == "autoencoder":
        found = {"psnr": _psnr(thing, HELD_OUT if thorough else 200)}
    elif name == "checker":
        found = ceiling(thing) if thorough else ceiling(thing, {"validation": 200})
    elif "scores" in RECIPES[name].config:
        module, _, function = RECIPES[name].config["scores"].partition(":")
        found = getattr(importlib.import_module(module), function)(thing, thorough)
    elif name.startswith("clip"):
        found = {"retrieval@1 of 64": _retrieval(*thing, HELD_OUT if thorough else 640)}
    else:
        found = alignment(thing, "test" if thorough else "tune", **RECIPES[name].defaults)
    return {k: v._asdict() for k, v in found.items()}


def wishes(split: str, per_category: int | None = None) -> list[Prompt]:
    """The prompts of all six categories, `per_category` of each."""
    n = per_category or PER_CATEGORY[split]
    return [p for category in CATEGORIES for p in prompts(split, category, n)]


def alignment(pipeline: Any, split: str, per_category: int | None = None, seed: int = 0, **call: Any) -> dict[str, Estimate]:
    """Attribute accuracy by category and overall of a pipeline at the settings `call`."""
    wanted = wishes(split, per_category)
    found = by_category(wanted, evaluate(wanted, generate(pipeline, wanted, seed, **call)))
    return found | {"overall": overall(found)}


def _psnr(model: Any, n: int) -> Estimate:
    from experiments.training.autoencoder import psnr, to_tensor

    return bootstrap(psnr(model, to_tensor(images("validation", 0, n)).to(model.device)).cpu().numpy())


def _retrieval(model: Any, tokenizer: Any, n: int) -> Estimate:
    """With captions that name the floor and all attributes: "a small gray metal sphere" alone fits several pictures of 64."""
    from experiments.training.clip import retrieval

    texts = [caption(s, "en", FULLEST) for s in scenes("validation", 0, n)]
    ids = tokenizer(texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt")
    hits = retrieval(model, images("validation", 0, n), torch.as_tensor(ids["input_ids"]))
    return wilson(int(hits.sum()), n)
