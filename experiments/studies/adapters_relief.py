"""Why a ControlNet may fail to follow depth maps: the same maps with and without the floor that all of them share, after the same training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from experiments.adapters import control, learning, loading
from experiments.adapters.control import Branch
from experiments.data import maps
from experiments.data.relief import relief
from experiments.metrics.held_out import held_out, truth
from experiments.metrics.relief_scores import followed
from experiments.models import zoo
from experiments.models.recipes import RECIPES
from experiments.studies.study import Study

SHIPS = "controlnet-depth"
N, SEED = 100, RECIPES[SHIPS].seed
WAYS = ("depth", "relief")  # the network that ships reads relief; its like, trained here, whole depth


def parts() -> Iterator[tuple[str]]:
    yield from ((way,) for way in WAYS)


def measure(way: str) -> dict[str, Any]:
    """Scores of the network on held-out maps, one value a picture, and by how much its training maps differ from their mean."""
    pipe = zoo.load(learning.BASE)
    shown = maps.kept("depth", learning.material(pipe).scenes, "two solids")
    wanted = held_out("test", N)
    asked = maps.condition("depth", wanted, truth(wanted))
    if way == "relief":
        shown, asked, branch = relief(shown), relief(asked), loading.branch(SHIPS, pipe)
    else:
        branch = control.trained_branch(row(), pipe)[0]
    found = followed(pipe, branch, asked, wanted, SEED)
    return {"varies": spread(shown), "images": row().images} | {name: [round(float(v), 3) for v in values] for name, values in found.items()}


def spread(pictures: Tensor) -> float:
    """Root mean square of maps minus their mean map, as a share of the full range."""
    some = pictures[:, 0].float() / 255
    return round(float((some - some.mean(0)).square().mean().sqrt()), 4)


def row() -> Branch:
    """How the network that ships was trained, on whole depth."""
    recipe = RECIPES[SHIPS]
    return Branch("depth", recipe.config["way"], images=recipe.images, batch=recipe.batch, seed=recipe.seed)


STUDIES = (
    Study(
        "adapters-relief",
        parts,
        measure,
        ("experiments.studies.adapters_relief", "experiments.adapters.control", "experiments.metrics.relief_scores"),
        (learning.BASE, SHIPS, "checker", "structure-reader"),
        {"n": N, "seed": SEED, "images": RECIPES[SHIPS].images},
    ),
)
