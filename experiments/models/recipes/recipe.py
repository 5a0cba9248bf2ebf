"""A row of the recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.artefacts import fingerprint, source_hash

LOOP, RENDER, CAPTIONS = "experiments.training.loop", "experiments.data.render", "experiments.data.captions"
BY_DENOISER = (LOOP, RENDER, CAPTIONS, "experiments.training.objective")  # what a text-to-image row's weights depend on


@dataclass(frozen=True, slots=True)
class Recipe:
    """One row. `trainer` is the dotted path of the function that carries it out, `needs` the rows it builds on."""

    name: str
    trainer: str
    mirrors: str
    objective: str
    images: int
    batch: int
    rate: float
    made_by: tuple[str, ...]  # modules that the weights depend on: a change of theirs makes the weights stale
    needs: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of a pipeline's call: steps and guidance
    expected: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def made(self) -> str:
        """Hash, in hex, of what the weights follow from: code, configuration and plan, but neither bars nor defaults."""
        code = source_hash(*self.made_by, without=["experiments.artefacts"])  # how files are written is not in the weights
        return fingerprint(code, dict(self.config), self.objective, self.batch, self.rate, self.needs, self.seed)
