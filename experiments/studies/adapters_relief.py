"""Why a ControlNet may fail to follow depth maps: the same maps without what all of them share, after the same training.

A depth map is mostly the floor, which is the same in every scene. The floor is taken to be the darkest (furthest) value that a
pixel has in any training map; what is left of a map is stretched to the full range.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from experiments.adapters import control, learning, loading
from experiments.adapters.control import Branch
from experiments.adapters.drawing import draw, picture, wish
from experiments.data import maps
from experiments.metrics.control_scores import fidelity
from experiments.metrics.held_out import held_out, truth
from experiments.models import zoo
from experiments.models.recipes import RECIPES
from experiments.studies.study import Study

SHIPS = "controlnet-depth"
N, SEED = 100, RECIPES[SHIPS].seed
WAYS = ("depth", "relief")  # the network that ships, and its like on maps without the floor


def parts() -> Iterator[tuple[str]]:
    yield from ((way,) for way in WAYS)


def measure(way: str) -> dict[str, Any]:
    """Scores of the network on held-out maps, one value a picture, and by how much its training maps differ from their mean."""
    pipe = zoo.load(learning.BASE)
    pipe.unet.requires_grad_(False).eval()
    known = learning.material(pipe)
    shown = maps.kept("depth", known.scenes, "two solids")
    wanted = held_out("test", N)
    asked = maps.condition("depth", wanted, truth(wanted))
    if way == "relief":
        floor = shown.amin(0)
        most = (shown - floor).amax()
        shown, asked = relief(shown, floor, most), relief(asked, floor, most)
    branch = trained(pipe, known, shown) if way == "relief" else loading.branch(SHIPS, pipe)
    prompts = [wish(scene, f"control/{k:03d}") for k, scene in enumerate(wanted)]
    found = fidelity(draw(control.attach(pipe, branch), prompts, SEED, {"image": picture(asked)}), wanted)
    return {"varies": spread(shown), "images": row().images} | {name: [round(float(v), 3) for v in values] for name, values in found.items()}


def relief(pictures: Tensor, floor: Tensor, most: Tensor) -> Tensor:
    """Maps uint8 [N,3,R,R] without the `floor` [3,R,R], `most` of what is left being the full range."""
    above = (pictures.float() - floor.float()).clamp_min(0) / float(most)
    return (255 * above).clamp(0, 255).round().to(torch.uint8)


def spread(pictures: Tensor) -> float:
    """Root mean square of maps minus their mean map, as a share of the full range."""
    some = pictures[:, 0].float() / 255
    return round(float((some - some.mean(0)).square().mean().sqrt()), 4)


def row() -> Branch:
    """How the network that ships was trained."""
    recipe = RECIPES[SHIPS]
    return Branch(recipe.config["kind"], recipe.config["way"], images=recipe.images, batch=recipe.batch, seed=recipe.seed)


def trained(pipe: Any, known: learning.Material, shown: Tensor) -> torch.nn.Module:
    """The same network after the same plan, in which it was shown other maps."""
    model = control.build(row(), pipe.unet)
    name = f"relief-{learning.key((*control.MODULES, 'experiments.studies.adapters_relief'))[:16]}"
    return learning.learn(model, control.loss(pipe, model, known, shown, row().batch), row().plan, name)[0]


STUDIES = (
    Study(
        "adapters-relief",
        parts,
        measure,
        ("experiments.studies.adapters_relief", "experiments.adapters.control", "experiments.metrics.control_scores"),
        (learning.BASE, SHIPS, "checker", "structure-reader"),
        {"n": N, "seed": SEED, "images": RECIPES[SHIPS].images},
    ),
)
