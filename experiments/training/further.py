"""Going on with a miniature that ships: another leg, from the weights that lie there, with a plan of its own.

A plan's rate comes down to zero at its end, so a plan that was carried out cannot be lengthened. A leg warms up and comes down
again (warm restarts, Loshchilov and Hutter 2017, arXiv:1608.03983); it begins with the weights as they are kept, most of them
in 8 bits, with a new optimiser, and draws scenes and noise that no earlier leg drew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.models.zoo import WEIGHTS, weights_hash
from experiments.training.journal import Journal, Scores
from experiments.training.loop import Plan
from experiments.training.text_to_image import begin


class NothingToGoOnFrom(ValueError):
    """There are no weights that a leg can begin with, or nothing of the budget is left."""


@dataclass
class Leg(Journal):
    """A run of `images` images more; `weights` holds the row's folder, whose record becomes the beginning of this run's."""

    weights: Path = WEIGHTS

    def __post_init__(self) -> None:
        name = self.recipe.name
        if not (self.folder / "model_index.json").exists():
            raise NothingToGoOnFrom(f"there is no pipeline in weights/{name}, and only a pipeline's denoiser goes on: train {name} without --more")
        if self.left <= 0:
            raise NothingToGoOnFrom(f"{name} has seen all {self.recipe.images:,} images of its budget: raise `images` of its row to go on")

    @property
    def folder(self) -> Path:
        return self.weights / self.recipe.name

    @cached_property
    def before(self) -> dict[str, Any]:
        return json.loads((self.folder / "training.json").read_text(encoding="utf-8"))

    @property
    def left(self) -> int:
        """Images of the row's budget that no leg has seen."""
        return self.recipe.images - self.before["images_seen"]

    @property
    def legs(self) -> list[dict[str, Any]]:
        """The plans that were carried out."""
        return [*self.before.get("legs", ()), self.before["plan"]]

    def plan(self, plan: Plan) -> Plan:
        return replace(plan, images=min(self.images or self.left, self.left), seed=plan.seed + 1000 * len(self.legs))

    def run(self, model, average, loss, plan: Plan, checkpoint: Path, subject: Any) -> None:
        begin(model, self.folder)
        average.load_state_dict(model.state_dict())
        kept = checkpoint.with_name(f"{checkpoint.stem}-after-{weights_hash(self.folder)[:16]}{checkpoint.suffix}")
        super().run(model, average, loss, plan, kept, subject)

    def record(self, scores: Scores, thing: Any) -> dict[str, Any]:
        """This leg's record, with images, seconds, curve and evaluations of all of them, and the plans of the earlier ones as `legs`."""
        now, seen = super().record(scores, thing), self.before["images_seen"]
        now |= {key: round(self.before[key] + now[key], 1) for key in ("images_seen", "seconds_spent")}
        now |= {key: self.before[key] + [[seen + at, what] for at, what in now[key]] for key in ("curve", "evaluations")}
        return now | {"legs": self.legs}
