"""Scenes: one to four solids on a coloured floor, as typed values.

A scene is the ground truth of everything that follows: the picture (`render`), the words (`captions`) and the
check (`metrics.alignment`) are all functions of it. It is in the manner of CLEVR (Johnson et al. 2017, arXiv:1612.06890).

World coordinates, in units of one floor tile: x grows to the right in the picture, y away from the viewer, z up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

SHAPES = ("sphere", "cube", "cylinder", "cone")
COLOURS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
SIZES = ("small", "large")
MATERIALS = ("rubber", "metal")
FLOORS = ("gray", "sand", "slate", "rose")
RELATIONS = ("left", "right", "in front", "behind")
SPLITS = ("train", "validation", "test", "withheld")

RADIUS = {"small": 0.42, "large": 0.78}  # half the width of a solid, in tiles: 13 and 24 pixels wide at 64x64
FLOOR_X, FLOOR_Y = 1.9, 1.3  # a solid lies within |x| < FLOOR_X, its centre within |y| < FLOOR_Y, so none is cut by the frame
GAP = 0.2  # free floor between two solids, in tiles
MARGIN = 0.35  # a relation is stated only where the coordinates differ by this much, in tiles


@dataclass(frozen=True, slots=True)
class Solid:
    """One solid: words for what it is, tiles and radians for where it stands."""

    shape: str
    colour: str
    size: str
    material: str
    x: float
    y: float
    rotation: float

    @property
    def radius(self) -> float:
        return RADIUS[self.size]

    def attributes(self) -> tuple[str, str, str, str]:
        return self.size, self.colour, self.material, self.shape


@dataclass(frozen=True, slots=True)
class Scene:
    """One to four solids and the floor they stand on."""

    solids: tuple[Solid, ...]
    floor: str

    def related(self, first: int, second: int) -> tuple[str, ...]:
        """Relations of solid `first` to solid `second` that are clear enough to be stated (differ by MARGIN)."""
        a, b = self.solids[first], self.solids[second]
        holds = (b.x - a.x > MARGIN, a.x - b.x > MARGIN, b.y - a.y > MARGIN, a.y - b.y > MARGIN)
        return tuple(r for r, h in zip(RELATIONS, holds) if h)


@lru_cache(maxsize=1)
def withheld() -> frozenset[tuple[str, str]]:
    """(colour, shape) pairs that no training scene shows: CLEVR-CoGenT's idea, one pair for each colour.

    Every colour and every shape is seen in training, these eight combinations are not.
    """
    return frozenset((colour, SHAPES[(3 * i + 1) % 4]) for i, colour in enumerate(COLOURS))


@lru_cache(maxsize=2)
def kinds(withheld_only: bool) -> tuple[tuple[str, str], ...]:
    """The (colour, shape) pairs a split may show."""
    return tuple(p for p in product(COLOURS, SHAPES) if (p in withheld()) == withheld_only)


def _generator(index: int, seed: int, split: str) -> np.random.Generator:
    """A generator that depends on (split, seed, index) alone, so a scene does not depend on batch or worker."""
    digest = hashlib.blake2b(f"{split}/{seed}/{index}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def sample_scene(index: int, seed: int = 0, split: str = "train", count: int | None = None) -> Scene:
    """Scene `index` of a split, the same on every machine.

    `count` fixes the number of solids (1 to 4); by default it is drawn with weights 0.3, 0.4, 0.2, 0.1.
    In split `withheld` the first solid is one of the combinations absent from training.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if count is not None and not 1 <= count <= 4:
        raise ValueError(f"a scene holds 1 to 4 solids, not {count}")
    g = _generator(index, seed, split)
    wanted = count or int(g.choice(4, p=(0.3, 0.4, 0.2, 0.1))) + 1
    solids: list[Solid] = []
    while len(solids) < wanted:
        solid = _draw(g, novel=split == "withheld" and not solids)
        if all(_apart(solid, s) for s in solids):
            solids.append(solid)
        elif g.random() < 0.02:  # a corner that cannot be filled: start again
            solids.clear()
    return Scene(tuple(solids), FLOORS[g.integers(len(FLOORS))])


def _draw(g: np.random.Generator, novel: bool) -> Solid:
    pairs = kinds(novel)
    colour, shape = pairs[g.integers(len(pairs))]
    size, material = SIZES[g.integers(2)], MATERIALS[g.integers(2)]
    reach = FLOOR_X - RADIUS[size]
    x, y = g.uniform(-reach, reach), g.uniform(-FLOOR_Y, FLOOR_Y)
    return Solid(shape, colour, size, material, float(x), float(y), float(g.uniform(0, np.pi / 2)))


def _apart(a: Solid, b: Solid) -> bool:
    """Neither touching on the floor nor mostly hidden: two solids in line of sight need more room in depth."""
    dx, dy = a.x - b.x, a.y - b.y
    reach = a.radius + b.radius + GAP
    return dx * dx + (dy / 1.6) ** 2 > reach * reach
