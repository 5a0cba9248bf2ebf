"""`train`: the rows that lack training, in the order in which one builds on another, with a line on how each goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from experiments.records import status
from experiments.records.progress import duration
from experiments.records.project import Project


def unfinished(project: Project, rows: dict[str, Any]) -> list[str]:
    """Names of `rows` that are missing, stale or under-trained, in the order of the rows."""
    lacking = {line.name for line in status.recipes(project, rows) if line.state != "recorded"}
    return [name for name in rows if name in lacking]


def train(
    names: Iterable[str],
    device: str | None = None,
    minutes: float | None = None,
    images: int | None = None,
    until: int | None = None,
    more: int | None = None,
) -> list[str]:
    """Train each of `names`, or go on with it; those that are not finished, each with the reason.

    `minutes` is the time for each; what was learned by then is kept, and the next call goes on from there.
    `images` shortens each plan, which then ends and ships; the record keeps the row's own budget beside it.
    `until` ships a run as it stands after so many images of its plan, with which it may go on later.
    `more` goes on from the weights that ship, for so many images.
    """
    from experiments.metrics.scores import measure
    from experiments.training.further import NothingToGoOnFrom
    from experiments.training.journal import Unfinished
    from experiments.training.loop import CheckpointError
    from experiments.training.train import train as train_one

    left = []
    names = list(names)
    for number, name in enumerate(names, 1):
        started = time.monotonic()
        print(f"[{number}/{len(names)}] {name}: training", flush=True)
        try:
            train_one(name, measure, device=device, minutes=minutes, images=images, tell=_teller(name), until=until, more=more)
        except (Unfinished, CheckpointError, NothingToGoOnFrom, FileNotFoundError, FloatingPointError) as error:
            left.append(f"{name}: {error}")
        else:
            print(f"[{number}/{len(names)}] {name}: trained in {duration(time.monotonic() - started)}", flush=True)
    return left


def _teller(name: str):
    """What shows the state of a training run: a moving line on a terminal, nothing elsewhere."""
    if not sys.stdout.isatty():
        return lambda progress, plan: None
    last = 0.0

    def tell(progress: Any, plan: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 1 or progress.step == plan.steps:
            last = now
            share = progress.images / plan.images
            state = f"{progress.images:,} images ({share:.0%}), loss {progress.loss:.3f}, {duration(progress.seconds)}"
            line = f"{name}: {state}"
            sys.stdout.write("\r\x1b[K" + line + ("\n" if progress.step == plan.steps else ""))
            sys.stdout.flush()

    return tell
