"""The beginning of a run: its first steps at its own rates, shipped as they stand there.

What two runs of one plan have learned after the same number of images compares fairly, and a run that goes on later
goes on from the same checkpoint. Mind that its rate has not come down yet: weights are those of the moving average.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from experiments.artefacts import atomic_write
from experiments.training.loop import CheckpointError, Plan


@dataclass(frozen=True)
class Beginning(Plan):
    """The first `until` images of a plan. To a checkpoint it is the same plan."""

    until: int = 0

    @property
    def whole(self) -> Plan:
        return Plan(**{field.name: getattr(self, field.name) for field in fields(Plan)})

    @property
    def steps(self) -> int:
        return min(self.whole.steps, round(self.until / self.batch))

    def rate_at(self, step: int) -> float:
        return self.whole.rate_at(step)

    def __repr__(self) -> str:
        return repr(self.whole)


def beginning(plan: Plan, until: int) -> Beginning:
    """The first `until` images of `plan`. Raises ValueError where that is not a step."""
    if round(until / plan.batch) < 1:
        raise ValueError(f"{until} images are no step of {plan.batch}: stop at {plan.batch} or later")
    return Beginning(**{field.name: getattr(plan, field.name) for field in fields(Plan)}, until=until)


def steps_in(checkpoint: Path) -> int:
    """How many steps a checkpoint of `loop.fit` holds; 0 where there is none. Raises CheckpointError if it is damaged."""
    if not checkpoint.exists():
        return 0
    content = checkpoint.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise CheckpointError(f"{checkpoint.name} is damaged (its hash does not match): delete it to train from the start")
    return torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)["step"]


def not_past(plan: Plan, checkpoint: Path) -> None:
    """Raises CheckpointError where the checkpoint has gone further than `plan` does, so that it cannot be taken back."""
    held = steps_in(checkpoint) if isinstance(plan, Beginning) else 0
    if held > plan.steps:
        raise CheckpointError(
            f"{checkpoint.name} holds {held * plan.batch:,} images, more than the {plan.until:,} to stop at: "
            "stop there or later, or delete it to train from the start"
        )


def adopt(source: Path, target: Path, plan: Beginning) -> None:
    """Go on with the run in `source` under the name `target`, where it is further than that and not past the plan."""
    if steps_in(target) < steps_in(source) <= plan.steps:
        with atomic_write(target) as file:
            file.write(source.read_bytes())
        notes = source.with_suffix(".json")  # curve and evaluations
        if notes.exists():
            with atomic_write(target.with_suffix(".json")) as file:
                file.write(notes.read_bytes())
