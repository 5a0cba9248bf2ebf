"""The rows of adapters: train, measure, and ship in the files that diffusers' own loaders read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diffusers import StableDiffusionPipeline
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file

from experiments.adapters import control, image_prompt, learning, relief
from experiments.adapters import weights as change
from experiments.artefacts import atomic_folder, write_json
from experiments.models import zoo
from experiments.models.recipes import Recipe
from experiments.models.zoo import WEIGHTS
from experiments.training.journal import Journal
from experiments.training.narrow import round_
from experiments.training.smaller import in_eight_bits


def branch(recipe: Recipe, journal: Journal, weights: Path = WEIGHTS) -> Path:
    """Carry out a row; its config names the map (`kind`) and the way. Ships the network alone, in the formats of `narrow`."""
    row = control.Branch(recipe.config["kind"], recipe.config["way"], images=recipe.images, batch=recipe.batch, seed=recipe.seed)
    row = replace(row, images=journal.plan(row.plan).images)
    train = relief.trained_branch if row.kind == "relief" else control.trained_branch
    trained, history = train(row, zoo.load(learning.BASE), tell=journal.tell)
    trained.reads = row.kind  # so that it can be scored
    journal.planned, journal.curve, journal.seconds = row.plan, history.curve, history.seconds
    round_(trained)  # what is scored is what ships
    folder = journal.ship(trained, weights / recipe.name)
    in_eight_bits(folder / SAFETENSORS_WEIGHTS_NAME)
    return folder


def image(recipe: Recipe, journal: Journal, weights: Path = WEIGHTS) -> Path:
    """Carry out the row; ships the layout of the release: a file of weights in `models/`, the image encoder beside it (a link)."""
    row = image_prompt.ImagePrompt(recipe.config["way"], recipe.seed, recipe.images, recipe.batch, recipe.rate)
    pipe, history = image_prompt.trained_adapter(row, tell=journal.tell)
    journal.planned, journal.curve, journal.seconds = row.plan, history.curve, history.seconds
    scores, state = journal.measure(pipe, True), image_prompt.state_of(pipe.unet)
    with atomic_folder(weights / recipe.name) as scratch:
        (scratch / image_prompt.SUBFOLDER).mkdir()
        save_file({name: value.half().contiguous() for name, value in state.items()}, scratch / image_prompt.SUBFOLDER / image_prompt.FILE)
        (scratch / image_prompt.SUBFOLDER / image_prompt.ENCODER).symlink_to(Path("..", "..", "clip"))
        write_json(scratch / "training.json", journal.record(scores, pipe) | {"parameters": sum(v.numel() for v in state.values())})
    return weights / recipe.name


def concept(recipe: Recipe, journal: Journal, weights: Path = WEIGHTS) -> Path:
    """Carry out a row; ships the few weights in the file that `pipe.load_lora_weights` reads."""
    method = change.Method(images=recipe.images, batch=recipe.batch, rate=recipe.rate, seed=recipe.seed, **recipe.config["method"])
    pipe, history = change.trained_weights(method, journal.tell)
    journal.planned, journal.curve, journal.seconds = method.plan, history.curve, history.seconds
    scores = journal.measure((pipe, method), True)
    layers = change.layers_of(pipe.unet)
    trained = sum(value.numel() for value in layers.values())
    with atomic_folder(weights / recipe.name) as scratch:
        StableDiffusionPipeline.save_lora_weights(scratch, unet_lora_layers={k: v.half() for k, v in layers.items()})
        write_json(scratch / "training.json", journal.record(scores, pipe) | {"parameters": trained})
    return weights / recipe.name
