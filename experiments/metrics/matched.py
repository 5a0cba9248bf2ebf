"""Real pictures for prompts: renders of scenes that show what is asked and nothing else, as training captions mean it.

A distance between drawn and real pictures says how good a conditional model is only where the real ones follow the same
prompts: each prompt's picture is one of the training scenes that its text describes fully. (Distances to training pictures
are usual for conditional models, arXiv:2105.05233; these are rendered already.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from experiments.data.dataset import images
from experiments.data.prompts import Prompt, Requirement
from experiments.data.scenes import Scene, sample_scene
from experiments.metrics.alignment import check
from experiments.sampling.generate import generator

POOL = 20_000


def described(wanted: Requirement, scene: Scene) -> bool:
    """Whether the requirement is met and names every solid of the scene."""
    return len(scene.solids) == len(_shapes(wanted)) and check(wanted, scene.solids).ok


def _shapes(wanted: Requirement) -> tuple[str, ...]:
    return tuple(sorted(w.shape for w in wanted.solids * (wanted.count or 1)))


@lru_cache(maxsize=2)
def _pool(size: int) -> dict[tuple[str, ...], list[tuple[int, Scene]]]:
    """Training scenes and their numbers, by the sorted shapes that they show."""
    found: dict[tuple[str, ...], list[tuple[int, Scene]]] = {}
    for i in range(size):
        scene = sample_scene(i)
        found.setdefault(tuple(sorted(s.shape for s in scene.solids)), []).append((i, scene))
    return found


def numbers(prompts: Sequence[Prompt], seed: int = 0, pool: int = POOL) -> list[int]:
    """For each prompt one of the first `pool` training scenes, which it describes; which one, (prompt id, seed) decides."""
    return [_chosen(p, seed, pool) for p in prompts]


def _chosen(prompt: Prompt, seed: int, pool: int) -> int:
    fitting = [i for i, scene in _pool(pool).get(_shapes(prompt.wanted), []) if described(prompt.wanted, scene)]
    if not fitting:
        raise ValueError(f"none of {pool} training scenes is {prompt.text!r} and nothing else: look at more scenes")
    return fitting[int(torch.randint(len(fitting), (), generator=generator(f"real/{prompt.id}", seed)))]


def pictures(prompts: Sequence[Prompt], seed: int = 0, pool: int = POOL) -> Tensor:
    """Renders of the chosen scenes, uint8 [N,3,64,64]."""
    return torch.from_numpy(np.concatenate([images("train", i, i + 1) for i in numbers(prompts, seed, pool)]))
