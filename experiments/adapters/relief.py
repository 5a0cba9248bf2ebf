"""A network that is shown relief: `control.trained_branch` with depth maps whose floor was taken away."""

from __future__ import annotations

from dataclasses import asdict

from diffusers import DiffusionPipeline
from torch import nn

from experiments.adapters import control, learning
from experiments.adapters.control import Branch
from experiments.data import maps
from experiments.data.relief import relief

MODULES = ("experiments.adapters.relief", *control.MODULES)


def trained_branch(branch: Branch, pipe: DiffusionPipeline, tell=lambda progress, plan: None) -> tuple[nn.Module, learning.History]:
    """The branch after its plan, from the store where it was trained before."""
    pipe.unet.requires_grad_(False).eval()
    known = learning.material(pipe)
    pictures = relief(maps.kept("depth", known.scenes, "two solids"))
    model = control.build(branch, pipe.unet)
    name = f"relief-{learning.key(MODULES, asdict(branch))[:16]}"
    return learning.learn(model, control.loss(pipe, model, known, pictures, branch.batch), branch.plan, name, tell=tell)
