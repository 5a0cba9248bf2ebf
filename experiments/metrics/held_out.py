"""Scenes on which adapters are measured, and their renderings."""

from __future__ import annotations

from functools import lru_cache

from experiments.data.dataset import scenes
from experiments.data.render import Rendering, render
from experiments.data.scenes import Scene


@lru_cache(maxsize=4)
def held_out(split: str, count: int) -> tuple[Scene, ...]:
    """The first `count` scenes of two solids of a split that no adapter learned from."""
    return tuple([s for s in scenes(split, 0, 4 * count + 20) if len(s.solids) == 2][:count])


@lru_cache(maxsize=4)
def truth(wanted: tuple[Scene, ...]) -> Rendering:
    """Renderings of scenes, drawn once."""
    return render(wanted)
