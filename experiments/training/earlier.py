"""A row that is another row's run at an earlier step, as SD 1.4 and 1.5 are two stops of one run from SD 1.2."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from experiments.models.recipes import RECIPES, Recipe
from experiments.models.zoo import WEIGHTS
from experiments.training import corpus, denoiser
from experiments.training.beginning import adopt, beginning, steps_in
from experiments.training.journal import Journal
from experiments.training.loop import Plan


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """Carry out the run of the row `recipe.config["run"]` up to the share `recipe.config["share"]` of its steps and ship it.

    The plan is the one in that row's record, so its weights must be there; where its checkpoint is not past the share,
    this goes on from it. What the seed draws is the same, but a machine that computes in another format than the one
    that trained the other row rounds differently: both records say in which (`dtype`).
    """
    other = RECIPES[recipe.config["run"]]
    whole = recorded_plan(other.name, weights)
    its = denoiser.checkpoint(other, scenes, weights)
    stop = round(whole.steps * recipe.config["share"])
    if journal.until:  # as it stands, and no less than the other run has learned by now
        stop = min(stop, max(round(journal.until / whole.batch), steps_in(its)))
    plan = beginning(whole, stop * whole.batch)
    checkpoint = denoiser.checkpoint(recipe, scenes, weights)
    adopt(its, checkpoint, plan)
    return denoiser.carry_out(recipe, journal, plan, checkpoint, scenes, weights)


def recorded_plan(name: str, weights: Path = WEIGHTS) -> Plan:
    """The plan of the whole run in a row's record. Raises ValueError where it was carried out in several legs (`further`)."""
    record = json.loads((weights / name / "training.json").read_text(encoding="utf-8"))
    if "legs" in record:
        raise ValueError(f"{name} went on after its plan, so that no one run has an earlier stop: train it anew, without --more")
    return Plan(**{field.name: record["plan"][field.name] for field in fields(Plan)})
