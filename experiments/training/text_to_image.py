"""Training of the family's rows from their parts to their pipeline folders: from noise, from a teacher, from a teacher's pairs."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from diffusers import DiffusionPipeline

from experiments.artefacts import atomic_folder, fingerprint, store, write_json
from experiments.models.assemble import pipeline as assemble
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS, guiding, weights_hash
from experiments.training import conditions, corpus, denoising, pairs
from experiments.training.journal import Journal, Unfinished, as_shipped, save
from experiments.training.loop import Plan
from experiments.training.material import caption_of, material

MakeLoss = Callable[[DiffusionPipeline, torch.nn.Module, ModuleType], Callable]
WORTH_A_LOOK = 0.1  # of the row's budget: a shorter run is scored at its end alone, since scores on the way would cost as much as it
SHOWINGS = 8  # how often a pair is shown, where a shortened plan leaves it open


def train(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """A row from the beginning: its objective on the training scenes."""

    def make(pipe, model, condition):
        read = material(recipe, pipe, condition, scenes, weights, journal.device)
        return denoising.denoising(pipe, model, condition, recipe.objective, read, recipe.batch)

    return carry_out(recipe, journal, make, scenes, weights)


def guided(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """A row that learns to say in one pass what its teacher says in two."""

    def make(pipe, model, condition):
        read = material(recipe, pipe, condition, scenes, weights, journal.device)
        older = pairs.teacher(weights / recipe.config["start"], None, journal.device)
        older = part(older).eval().requires_grad_(False)
        return denoising.guided(pipe, model, older, condition, read, recipe.batch)

    return carry_out(recipe, journal, make, scenes, weights)


def on_pairs(recipe: Recipe, journal: Journal, scenes: int = corpus.TRAINING_SCENES, weights: Path = WEIGHTS) -> Path:
    """A row that is retrained on its teacher's own pairs: reflow, distillation, or rectified diffusion."""
    spent: dict[str, Any] = {}

    def make(pipe, model, condition):
        drawn = _pairs(recipe, journal, pipe, condition, scenes, weights, spent)
        return denoising.on_pairs(pipe, model, condition, recipe.objective, drawn, recipe.batch, tuple(recipe.config.get("times", ())))

    return carry_out(recipe, journal, make, scenes, weights, spent)


def _pairs(recipe: Recipe, journal: Journal, pipe, condition: ModuleType, scenes: int, weights: Path, spent: dict) -> denoising.Pairs:
    """As many of the teacher's pairs as the plan asks for; `spent` hears how many and how long they took in this run."""
    settings = dict(recipe.config["pairs"])
    folder, full = weights / settings.pop("teacher"), settings.pop("count")
    count = full if not journal.images else min(full, max(recipe.batch, journal.images // SHOWINGS))
    channels = pipe.vae.config.latent_channels
    begun = time.monotonic()
    found, whole = pairs.collect(count, pairs.made(folder, count, scenes, (channels, 8, 8), settings, journal.device), journal.minutes)
    spent["pairs"] = {"teacher": folder.name, "count": count, "of": full, "seconds": round(time.monotonic() - begun, 1), **settings}
    if not whole:
        raise Unfinished(f"{recipe.name}: {len(found):,} of {count:,} pairs after {journal.minutes:g} minutes; run it again to go on")
    read = material(recipe, pipe, condition, scenes, weights, journal.device)
    at = torch.tensor([caption_of(i, scenes) for i in range(count)])
    said = {name: held[at[:, 0], at[:, 1]] for name, held in read.texts.items()}
    return denoising.Pairs(pairs.noise(0, count, (channels, 8, 8)), found, said)


def carry_out(recipe: Recipe, journal: Journal, make: MakeLoss, scenes: int, weights: Path, extra: dict[str, Any] | None = None) -> Path:
    """Train the denoiser by the loss that `make` gives and ship the pipeline with its moving average; resumes where it was killed."""
    torch.manual_seed(recipe.seed)  # initial weights only: what training draws has its own generator
    pipe = guiding(assemble(recipe, weights))
    for held in pipe.components.values():
        if isinstance(held, torch.nn.Module):
            held.to(journal.device).requires_grad_(False).eval()
    model = part(pipe).requires_grad_(True)
    if "start" in recipe.config:
        begin(model, weights / recipe.config["start"])
    average = copy.deepcopy(model).requires_grad_(False).eval()
    plan = journal.plan(Plan(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed))
    loss = make(pipe, model, conditions.of(recipe.config["pipeline"]))
    hold(pipe, average)
    faster(model, journal.device)
    scored = journal.measure
    if plan.images < recipe.images * WORTH_A_LOOK:
        journal.measure = lambda thing, thorough: {}
    journal.run(model, average, loss, plan, checkpoint(recipe, scenes, weights), pipe)
    scores = scored(as_shipped(pipe), True)
    with atomic_folder(weights / recipe.name) as scratch:
        save(pipe, scratch, dict(recipe.config.get("shared", {})))
        write_json(scratch / "training.json", journal.record(scores, pipe) | (extra or {}))
    return weights / recipe.name


def checkpoint(recipe: Recipe, scenes: int, weights: Path) -> Path:
    """Where a row's training in progress is kept: named by all that it follows from."""
    key = fingerprint(recipe.made(), scenes, [weights_hash(weights / need) for need in recipe.needs])
    return store("training", f"{recipe.name}-{key[:16]}.pt")


def part(pipe: DiffusionPipeline) -> torch.nn.Module:
    """The denoiser."""
    return pipe.unet if getattr(pipe, "unet", None) is not None else pipe.transformer


def hold(pipe: DiffusionPipeline, denoiser: torch.nn.Module) -> None:
    """Put `denoiser` in its place; the pipelines inside a combined one hold parts of their own."""
    name = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    for one in (pipe, getattr(pipe, "decoder_pipe", None)):
        if one is not None:
            setattr(one, name, denoiser)


def begin(model: torch.nn.Module, folder: Path) -> None:
    """Start from the denoiser of the pipeline in `folder`; what it lacks (an embedding of guidance) starts by saying nothing."""
    older, own = part(DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)).state_dict(), model.state_dict()
    missing = own.keys() - older.keys()
    strange = [name for name in sorted(own.keys() ^ older.keys()) if "guidance_embedder" not in name]
    strange += [name for name in sorted(own.keys() & older.keys()) if own[name].shape != older[name].shape]
    if strange:
        raise ValueError(f"{folder.name} is of another make, it differs in {strange[0]}: start from a row with the same denoiser")
    model.load_state_dict(older, strict=False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in missing and "linear_2" in name:
                weight.zero_()


def faster(model: torch.nn.Module, device: torch.device) -> None:
    """Compile on a GPU, where small models wait for launches; what cannot be compiled runs as it is."""
    if device.type == "cuda":
        import torch._dynamo

        torch._dynamo.config.suppress_errors = True
        model.compile()
