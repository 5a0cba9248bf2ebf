"""Several systems on one frozen list of COCO's captions: what the command `generate` and the evaluation chapter call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from experiments.models.hub import WeightsError
from experiments.models.systems import find
from experiments.sampling.jobs import SPLIT, freeze
from experiments.sampling.sets import Drawn, SetError, complete
from experiments.sampling.worker import Settings, Step, draw

FAILURES = (WeightsError, SetError)  # of one system; the others go on


@dataclass
class Outcome:
    """Folders of the sets by the names that were asked for, and why a system has none."""

    folders: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def sets(self) -> dict[str, Drawn]:
        """The complete sets, read and compared with their records; one that is not complete is added to `failed`."""
        found = {}
        for name, folder in self.folders.items():
            try:
                found[name] = complete(folder)
            except SetError as error:
                self.failed[name] = str(error)
        return found


def generate_coco(
    models: Sequence[str],
    coco: str | Path,
    n: int,
    out: str | Path,
    *,
    split: str = SPLIT,
    seeds: Sequence[int] = (0,),
    settings: Settings = Settings(),
    say: Callable[[str], None] = print,
) -> Outcome:
    """Draw `n` captions of a COCO folder with each of `models` into `out`; goes on where an earlier run stopped.

    A name is checked before anything is drawn. A system whose weights cannot be had is left out, with the reason.
    Raises CocoError for the folder, UnknownSystem for a name and StorageError for a full disk.
    """
    systems = {name: find(name) for name in models}
    jobs = freeze(coco, n, split, seeds)
    who = f"worker {settings.worker} of {settings.workers}, " if settings.workers > 1 else ""
    outcome = Outcome()
    for name, system in systems.items():
        try:
            steps = draw(system, jobs, out, settings)
            while True:
                say(who + line(next(steps)))
        except StopIteration as end:
            outcome.folders[name] = end.value.folder
        except FAILURES as error:
            outcome.failed[name] = str(error)
            say(f"{who}{name}: not drawn")
        except torch.cuda.OutOfMemoryError:
            outcome.failed[name] = f"{name}: the GPU's memory is full: ask for a smaller --batch, or free what others hold"
            say(f"{who}{name}: stopped")
    return outcome


def line(step: Step) -> str:
    """A step as a line: "sdxl: 24 of 5000 pictures, 2.31 s each, 3 h 11 min left"."""
    return f"{step.system}: {step.there} of {step.wanted} pictures, {step.each:.2f} s each, {duration(step.left)} left"


def duration(seconds: float) -> str:
    """Seconds as "42 s", "3 min 05 s" or "3 h 11 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
