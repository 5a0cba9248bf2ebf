"""What no training scene shows: a shape, the tower (a cylinder that wears a cone), and a texture, white stripes.

The renderer stays as it is: a tower is two of its solids, one above the other, and stripes are a second coat of paint. So a
scene without either is drawn here exactly as `render` draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from experiments.data import render as tracer
from experiments.data.scenes import COLOURS, FLOORS, MATERIALS, SHAPES, SIZES, Solid, _generator

TOWER = "tower"
SLENDER = 0.75  # of a tower: its radius in radii of an ordinary solid of that size
BAND = 0.45  # height of a stripe, in radii
WHITE = 0.95


@dataclass(frozen=True, slots=True)
class Novelty:
    """One solid on a floor; its shape may be `TOWER`, and it may be striped."""

    solid: Solid
    floor: str
    striped: bool = False

    @property
    def text(self) -> str:
        """Colour and shape, as captions of style 2 say it: "a striped red tower"."""
        return f"a {'striped ' if self.striped else ''}{self.solid.colour} {self.solid.shape}"


def novelty(index: int, seed: int = 0, shapes: Sequence[str] = (*SHAPES, TOWER), striped: bool | None = None, colours: Sequence[str] = COLOURS) -> Novelty:
    """Novelty `index`, the same on every machine; striped or not by the toss of a coin unless told."""
    g = _generator(index, seed, "novelty")
    shape, colour = shapes[g.integers(len(shapes))], colours[g.integers(len(colours))]
    size, material, floor = SIZES[g.integers(2)], MATERIALS[g.integers(2)], FLOORS[g.integers(4)]
    x, y = g.uniform(-1.0, 1.0), g.uniform(-1.2, 0.6)  # near enough that the tip of a tower is in the frame
    coin = bool(g.integers(2))
    return Novelty(Solid(shape, colour, size, material, float(x), float(y), float(g.uniform(0, np.pi / 2))), floor, coin if striped is None else striped)


@torch.no_grad()
def draw(things: Sequence[Novelty], resolution: int = 64) -> Tensor:
    """Pictures, uint8 [B,3,R,R]."""
    if not things:
        raise ValueError("nothing to draw: pass at least one")
    solids = _tensors(things)
    eye, rays = tracer._rays(resolution * tracer.OVERSAMPLING, "cpu")
    reach, seen = tracer._first_hit_from_eye(solids, eye, rays)
    colour = tracer._floor(solids, eye, rays, resolution)
    b, r = torch.nonzero(seen >= 0, as_tuple=True)
    k = seen[b, r]
    height = (eye + reach[b, r, None] * rays[r])[:, 2] / torch.tensor([t.solid.radius for t in things])[b]
    banded = torch.tensor([t.striped for t in things])[b] & ((height / BAND).floor().long() % 2 == 1)
    for chosen, coat in ((~banded, solids.paint), (banded, torch.full_like(solids.paint, WHITE))):
        at = chosen.nonzero().squeeze(1)
        if len(at):
            coated = replace(solids, paint=coat)
            colour[b[at], r[at]] = tracer._shade(coated, b[at], k[at], eye, rays[r[at]], reach[b[at], r[at]])[0]
    return tracer._gather(colour, reach, seen, torch.ones(*reach.shape, 3), resolution).image


def _tensors(things: Sequence[Novelty]) -> tracer._Solids:
    """Each thing as one or two solids of the renderer; the upper one is lifted by the height of the lower."""
    rows = torch.zeros(len(things), tracer.SLOTS, 6)
    rows[..., 0] = -1
    for i, thing in enumerate(things):
        solid = thing.solid
        parts = [("cylinder", 0.0), ("cone", tracer.TUBE_HEIGHT)] if solid.shape == TOWER else [(solid.shape, 0.0)]
        radius = solid.radius * (SLENDER if solid.shape == TOWER else 1.0)
        for j, (shape, lift) in enumerate(parts):
            rows[i, j] = torch.tensor([SHAPES.index(shape), solid.x, solid.y, lift * radius, radius, solid.rotation])
    count = (rows.shape[1], 1)
    return tracer._Solids(
        shape=rows[..., 0].long(),
        base=rows[..., 1:4].contiguous(),
        radius=rows[..., 4].clamp_min(1e-3),
        turn=torch.stack([rows[..., 5].cos(), rows[..., 5].sin()], -1),
        paint=torch.stack([tracer.PAINT[COLOURS.index(t.solid.colour)].repeat(count) for t in things]),
        metal=torch.tensor([[MATERIALS.index(t.solid.material) == 1] * tracer.SLOTS for t in things]),
        ground=tracer.GROUND[[FLOORS.index(t.floor) for t in things]],
    )
