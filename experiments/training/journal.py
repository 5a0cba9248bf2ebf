"""Carrying out a plan and writing down how it went: curve, evaluations on the way, and the record beside the weights."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from experiments.artefacts import atomic_folder, write_json
from experiments.models.recipes import Recipe
from experiments.training.beginning import beginning, not_past
from experiments.training.loop import Plan, Progress, fit
from experiments.training.narrow import narrow_, round_
from experiments.training.precision import fast_dtype

Scores = dict[str, dict[str, float]]  # metric -> value, low, high, n
POINTS = 60  # of the curve
VISITS = 6  # evaluations on the way
DENOISERS = ("unet", "transformer")  # parts of a pipeline that are kept in fewer bits


class Unfinished(RuntimeError):
    """The time allowed is over and the plan is not; what was done is saved."""


@dataclass
class Journal:
    """One training run of a row. `measure(thing, thorough)` gives scores; `tell(progress, plan)` hears of every step.

    `images` shortens the plan (the record keeps the row's budget beside it), `minutes` interrupts it, and at `until` images
    it stops and ships what it has.
    """

    recipe: Recipe
    device: torch.device
    measure: Callable[[Any, bool], Scores]
    tell: Callable[[Progress, Plan], None] = lambda progress, plan: None
    images: int | None = None
    minutes: float | None = None
    until: int | None = None
    curve: list[list[float]] = field(default_factory=list)
    evaluations: list[list[Any]] = field(default_factory=list)
    seconds: float = 0.0
    planned: Plan | None = None

    def plan(self, plan: Plan) -> Plan:
        """`plan`, shortened where this run is to be shorter than the row's budget."""
        plan = dataclasses.replace(plan, images=min(self.images or plan.images, plan.images))
        return beginning(plan, self.until) if self.until else plan

    def run(self, model, average, loss, plan: Plan, checkpoint: Path, subject: Any) -> None:
        """Train to the end of `plan`; `subject` is what `measure` is given. Raises `Unfinished` when the minutes are over."""
        not_past(plan, checkpoint)
        self.planned = plan
        beside = checkpoint.with_suffix(".json")
        if checkpoint.exists() and beside.exists():
            self.curve, self.evaluations, self.seconds = json.loads(beside.read_text(encoding="utf-8"))
        whole = getattr(plan, "whole", plan).steps  # a run that is to stop early is looked at where the whole one is
        every, visit, total, count, begun = max(1, whole // POINTS), max(1, whole // VISITS), 0.0, 0, None
        steps = fit(model, average, loss, plan, checkpoint)
        for progress in steps:
            self.seconds, total, count = progress.seconds, total + progress.loss, count + 1
            begun = progress.seconds if begun is None else begun
            self.tell(progress, plan)
            if progress.step % every == 0:
                self._note(self.curve, progress, round(total / count, 5))
                self._keep(beside)
                total, count = 0.0, 0
            if progress.step % visit == 0 and progress.step < plan.steps:
                self._note(self.evaluations, progress, {k: v["value"] for k, v in self.measure(subject, False).items()})
                model.train()
                self._keep(beside)
            if self.minutes and progress.seconds - begun > 60 * self.minutes and progress.step < plan.steps:
                steps.close()
                self._keep(beside)
                raise Unfinished(f"{self.recipe.name}: {progress.images:,} of {plan.images:,} images after {self.minutes:g} minutes; run it again to go on")
        self._keep(beside)

    def _keep(self, beside: Path) -> None:
        write_json(beside, [self.curve, self.evaluations, round(self.seconds, 1)])

    def _note(self, where: list, progress: Progress, what: Any) -> None:
        """Append, unless a run that was killed had noted this point before."""
        where[:] = [entry for entry in where if entry[0] < progress.images] + [[progress.images, what]]

    def ship(self, thing: Any, folder: Path, shared: dict[str, str] | None = None) -> Path:
        """Save a pipeline or model in small formats in `folder`, with its record. Parts in `shared` become links to other
        folders under `weights`, so that what is the same for every miniature is there once."""
        scores = self.measure(as_shipped(thing), True)
        with atomic_folder(folder) as scratch:
            save(thing, scratch, shared or {})
            write_json(scratch / "training.json", self.record(scores, thing))
        return folder

    def record(self, scores: Scores, thing: Any) -> dict[str, Any]:
        row = self.recipe
        part = getattr(thing, "unet", None) or getattr(thing, "transformer", None) or thing
        return {
            "recipe": row.name,
            "mirrors": row.mirrors,
            "objective": row.objective,
            "parameters": sum(p.numel() for p in part.parameters()),
            "images_seen": self.planned.steps * self.planned.batch,
            "images_budget": row.images,
            "seconds_spent": round(self.seconds, 1),
            "device": str(self.device),
            "cpu": platform.processor() or platform.machine(),
            "dtype": str(fast_dtype(self.device)).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "seed": row.seed,
            "plan": dataclasses.asdict(self.planned),
            "curve": self.curve,
            "evaluations": self.evaluations,
            "expected": dict(row.expected),
            "scores": scores,
            "code_sha256": row.made(),
            "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
        }


def as_shipped(thing: Any) -> Any:
    """`thing` itself; where it is a pipeline, its denoiser now has the values that a reader of its folder will find."""
    for name in DENOISERS:
        if isinstance(thing, DiffusionPipeline) and getattr(thing, name, None) is not None:
            round_(getattr(thing, name))
    return thing


def save(thing: Any, folder: Path, shared: dict[str, str]) -> None:
    """`save_pretrained` in half precision, a pipeline's denoiser in the formats of `narrow`; the thing itself keeps its precision."""
    if not isinstance(thing, DiffusionPipeline):
        _save_module(thing, folder)
        return
    thing.save_config(folder)
    for name, part in thing.components.items():
        if name in shared:
            _share(part, folder / name, folder.parent / shared[name])
        elif isinstance(part, torch.nn.Module):
            _save_module(part, folder / name, narrow_ if name in DENOISERS else torch.nn.Module.half)
        elif part is not None and hasattr(part, "save_pretrained"):
            part.save_pretrained(folder / name)


def _share(part: torch.nn.Module, place: Path, source: Path) -> None:
    """A link from `place` to the folder `source`. An autoencoder keeps a config of its own, as each pipeline class reads it
    differently, and so does a text tower that leaves out layers; they link to the weights alone."""
    if not hasattr(part, "save_config") and _layers(part.config) == _layers(json.loads((source / "config.json").read_text(encoding="utf-8"))):
        os.symlink(os.path.relpath(source, place.parent), place)
        return
    (part.save_config if hasattr(part, "save_config") else part.config.save_pretrained)(place)
    _tidy(place / "config.json")
    for file in source.glob("*.safetensors"):
        os.symlink(os.path.relpath(file, place), place / file.name)


def _layers(config: Any) -> int | None:
    return (config if isinstance(config, dict) else config.to_dict()).get("num_hidden_layers")


def _save_module(module: torch.nn.Module, folder: Path, shorten: Callable[[torch.nn.Module], Any] = torch.nn.Module.half) -> None:
    dtype = next(module.parameters()).dtype
    shorten(module)
    module.save_pretrained(folder)
    module.to(dtype)
    _tidy(folder / "config.json")


def _tidy(config: Path) -> None:
    """Leave out where the part was loaded from; and name float32, as transformers would compute in the format of the file."""
    content = json.loads(config.read_text(encoding="utf-8"))
    content.pop("_name_or_path", None)
    write_json(config, content | ({"dtype": "float32"} if "dtype" in content else {}))
