"""What the checker learns from: renders of its own, with the truth as the maps must say it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.artefacts import atomic_write, fingerprint, source_hash, store
from experiments.data.scenes import COLOURS, SHAPES, Scene, sample_scene
from experiments.metrics.checker import ATTRIBUTES, CELLS, STRIDE

SCENE_SEED = 20_000  # of the checker's own scenes: no other split of any model or measurement uses it
CHUNK = 1000
SLOTS = 4
COLUMNS = ("row", "column", "offset x", "offset y", "tile x", "tile y", *ATTRIBUTES)


def checker_scene(index: int) -> Scene:
    """A training scene of the checker: any colour on any shape, the withheld pairs too, and often look-alikes.

    A detector that never saw a purple cone would fail a model for drawing one. Repeated solids teach counting.
    """
    scene = sample_scene(index, SCENE_SEED, count=1 + index % SLOTS)
    g = np.random.default_rng((SCENE_SEED, index))
    solids: list = []
    for solid in scene.solids:
        shape, colour = SHAPES[g.integers(4)], COLOURS[g.integers(8)]
        if solids and g.random() < 0.5:
            shape = solids[-1].shape
        if solids and g.random() < 0.25:
            colour = solids[-1].colour
        solids.append(dataclasses.replace(solid, shape=shape, colour=colour))
    return Scene(tuple(solids), scene.floor)


def targets(scenes: list[Scene], boxes: Tensor) -> Tensor:
    """What the maps must say, [B, 4, 10]: `COLUMNS` for each solid, NaN where there is none."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 / STRIDE
    rows = torch.full((len(scenes), SLOTS, len(COLUMNS)), torch.nan)
    for b, scene in enumerate(scenes):
        for k, s in enumerate(scene.solids):
            x, y = centre[b, k].tolist()
            if math.isfinite(x):
                words = [names.index(getattr(s, a)) for a, names in ATTRIBUTES.items()]
                rows[b, k] = torch.tensor([int(y), int(x), x - int(x), y - int(y), s.x, s.y, *words])
    return rows


def chunk(number: int) -> tuple[Tensor, Tensor]:
    """Pictures uint8 [1000,3,64,64] and targets of one chunk of training scenes, from the cache or drawn into it."""
    scenes = [checker_scene(i) for i in range(number * CHUNK, (number + 1) * CHUNK)]
    path = store("checker", source_hash("experiments.data.render")[:16], f"{fingerprint(scenes)[:16]}.npz")
    if not path.exists():
        _draw(scenes, path)
    with np.load(path) as data:
        return torch.from_numpy(data["images"]), targets(scenes, torch.from_numpy(data["boxes"]))


def _draw(scenes: list[Scene], path: Path) -> None:
    from experiments.data.render import render

    parts = [render(scenes[i:i + 20]) for i in range(0, len(scenes), 20)]
    with atomic_write(path) as file:
        np.savez(file, images=torch.cat([p.image for p in parts]).numpy(),
                 boxes=torch.cat([p.boxes for p in parts]).numpy())


def mirrored(wanted: Tensor) -> Tensor:
    """Targets of the mirrored picture."""
    t = wanted.clone()
    x = CELLS - (wanted[..., 1] + wanted[..., 2])
    t[..., 1] = x.floor().clamp_max(CELLS - 1)
    t[..., 2], t[..., 4] = x - t[..., 1], -wanted[..., 4]
    return t
