"""A network that reads relief in numbers: the structure of what it draws from the depth of held-out scenes, floor taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from experiments.adapters import control
from experiments.adapters.drawing import draw, picture, wish
from experiments.data import maps
from experiments.data.relief import relief
from experiments.data.scenes import Scene
from experiments.metrics.control_scores import FIDELITY, fidelity
from experiments.metrics.held_out import held_out, truth
from experiments.metrics.intervals import Estimate, bootstrap
from experiments.models import zoo


def followed(pipe: Any, branch: nn.Module, shown: Tensor, wanted: tuple[Scene, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """`fidelity` of pictures drawn from maps `shown` of scenes, and from their captions."""
    prompts = [wish(scene, f"control/{k:03d}") for k, scene in enumerate(wanted)]
    return fidelity(draw(control.attach(pipe, branch), prompts, seed, {"image": picture(shown)}), wanted)


def branch(thing: nn.Module, thorough: bool) -> dict[str, Estimate]:
    """Scores of the row, as those of `control_scores.branch`."""
    wanted = held_out("test" if thorough else "validation", 100 if thorough else 20)
    shown = relief(maps.condition("depth", wanted, truth(wanted)))
    found = followed(zoo.load("mini-sd1.5"), thing, shown, wanted)
    return {score: bootstrap(found[score]) for score in (*FIDELITY, "prompt")}
