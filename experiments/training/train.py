"""One row of the recipes, from its name to its folder under `weights`."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from experiments.models.recipes import RECIPES
from experiments.training.further import Leg
from experiments.training.journal import Journal, Scores
from experiments.training.loop import Plan, Progress


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def train(
    name: str,
    measure: Callable[[str, Any, bool], Scores],
    device: str | None = None,
    minutes: float | None = None,
    images: int | None = None,
    tell: Callable[[Progress, Plan], None] = lambda progress, plan: None,
    until: int | None = None,
    more: int | None = None,
) -> Path:
    """Train the miniature `name`, or go on with it, and ship it; returns its folder.

    measure(name, thing, thorough): scores of what was trained. `images` shortens the row's budget, `minutes` interrupts the run
    (`journal.Unfinished`), at `until` images of its plan it is shipped as it stands; `more` goes on from what ships for so many
    images (`further.Leg`). Raises ValueError for an unknown name, FileNotFoundError where a row it needs is not trained.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, 1) or list(RECIPES)[:1]
        raise ValueError(f"no miniature {name!r}: did you mean {near[0]!r}? There are: {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    from experiments.models.zoo import WEIGHTS

    for need in recipe.needs:
        if not (WEIGHTS / need / "training.json").exists():
            raise FileNotFoundError(f"{name} is built on {need}, which is not trained: run `python -m experiments train {need}` first")
    module, _, function = recipe.trainer.partition(":")
    journal = (Leg if more else Journal)(
        recipe,
        torch.device(device or best_device()),
        lambda thing, thorough: measure(name, thing, thorough),
        tell,
        more or images,
        minutes,
        until,
    )
    return getattr(importlib.import_module(module), function)(recipe, journal)
