"""Evaluation prompts in GenEval's six categories (Ghosh et al. 2023, arXiv:2310.11513), each with what it requires.

    category            in English                       a picture is right when
    single object       a cube                           a cube is seen
    two objects         a cube and a sphere              both are seen
    counting            three cylinders                  exactly three cylinders are seen
    colours             a red cube                       a red cube is seen
    position            a cube to the left of a sphere   a cube stands to the left of a sphere
    colour attribution  a red cube and a blue sphere     both are seen, each with its colour

As in GenEval further solids do no harm, except those that change a count. The wordings are those of caption styles 2
and 4, so a model has met each of them in training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from experiments.artefacts import fingerprint
from experiments.data.captions import conjoin, count, describe, relate
from experiments.data.scenes import RELATIONS, SHAPES, Solid, kinds

CATEGORIES = ("single object", "two objects", "counting", "colours", "position", "colour attribution")
SPLITS = ("tune", "test")
COUNTS = (2, 3, 4)
OPPOSITE = {"left": "right", "right": "left", "in front": "behind", "behind": "in front"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one solid must be; None leaves an attribute open."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    material: str | None = None

    def fits(self, solid) -> bool:
        """Whether anything with the attributes shape, colour, size, material (a Solid, a detection) is as wanted."""
        names = ("shape", "colour", "size", "material")
        return all(getattr(self, n) is None or getattr(self, n) == getattr(solid, n) for n in names)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a picture must show.

    `solids`    each is matched by a different solid of the picture; further solids are allowed.
    `count`     where given there is one entry in `solids`, and exactly `count` solids of the picture fit it.
    `relation`  where given (one of `scenes.RELATIONS`), some match of solids[0] stands in it to some match of
                solids[1]: "left" means that solids[0] is to the left of solids[1].
    """

    solids: tuple[Wanted, ...]
    count: int | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text to draw. Noise is seeded from `id`, so the same wish in two languages starts from the same noise."""

    id: str
    category: str
    text: str
    wanted: Requirement
    language: str = "en"


def prompts(
    split: str, category: str, n: int, seed: int = 0, *, language: str = "en", withheld: bool = False
) -> list[Prompt]:
    """The first `n` prompts of a category, for choosing settings (`tune`) or for reporting (`test`).

    Each text comes once before any comes twice, so `n` may be larger than the number of texts; a repeated text has
    another id, hence other noise. A longer list begins with the shorter one. `seed` changes the order.

    Colours (24 texts), position (48) and colour attribution are divided: a third of what can be asked belongs to
    `tune`, the rest to `test`, and two wordings of one wish ("a cube behind a sphere", "a sphere in front of a cube")
    fall on the same side. Single object has 4 texts, two objects and counting 12 each: too few to divide, so both
    splits share them and only ids and noise differ.

    `withheld=True` asks for combinations of colour and shape that no training scene shows (in colour attribution, for
    one of the two): 8 texts in colours, too few to divide. Categories that name no colour have none.

    Raises ValueError for an unknown split or category, and for a category without withheld prompts.
    """
    pool = _pool(split, category, withheld)
    name = f"{split}-{seed}/{category.replace(' ', '-')}{'-withheld' if withheld else ''}"
    order = [i for turn in range(-(-n // len(pool))) for i in _shuffled(len(pool), f"{name}/{turn}")]
    return [
        Prompt(f"{name}/{k:03d}", category, text(pool[i], language), pool[i], language)
        for k, i in enumerate(order[:n])
    ]


def text(wanted: Requirement, language: str = "en") -> str:
    """A requirement in words, in the manner of caption styles 2 and 4."""
    solids = [_example(w) for w in wanted.solids]
    named = [[a for a in ("size", "colour", "material") if getattr(w, a)] for w in wanted.solids]
    if wanted.count:
        return count(solids * wanted.count, language, named[0])
    phrases = [describe(s, language, a) for s, a in zip(solids, named)]
    return relate(phrases[0], wanted.relation, phrases[1], language) if wanted.relation else conjoin(phrases, language)


def prompt_hash(chosen: Iterable[Prompt]) -> str:
    """A hash of ids, texts and requirements, for records: two tables with the same hash asked for the same."""
    return fingerprint(list(chosen))


def _example(w: Wanted) -> Solid:
    return Solid(w.shape or "cube", w.colour or "gray", w.size or "small", w.material or "rubber", 0.0, 0.0, 0.0)


def _pool(split: str, category: str, withheld: bool) -> list[Requirement]:
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if category not in CATEGORIES:
        raise ValueError(f"category {category!r} is not one of {', '.join(CATEGORIES)}")
    if withheld and category not in ("colours", "colour attribution"):
        raise ValueError(f"category {category!r} names no colour: only colours and colour attribution can be withheld")
    space = _space(category, withheld)
    meanings = sorted({_meaning(r) for r in space}, key=lambda m: hashlib.blake2b(repr(m).encode()).digest())
    if len(meanings) <= 12:
        return space
    tuned = set(meanings[: len(meanings) // 3])
    return [r for r in space if (_meaning(r) in tuned) == (split == "tune")]


def _space(category: str, withheld: bool) -> list[Requirement]:
    """Everything that can be asked in a category."""
    pairs = list(permutations(SHAPES, 2))
    seen = [Wanted(shape, colour) for colour, shape in kinds(False)]
    novel = [Wanted(shape, colour) for colour, shape in kinds(True)]
    if category == "single object":
        return [Requirement((Wanted(s),)) for s in SHAPES]
    if category == "two objects":
        return [Requirement((Wanted(a), Wanted(b))) for a, b in pairs]
    if category == "counting":
        return [Requirement((Wanted(s),), count=c) for s, c in product(SHAPES, COUNTS)]
    if category == "colours":
        return [Requirement((w,)) for w in (novel if withheld else seen)]
    if category == "position":
        return [Requirement((Wanted(a), Wanted(b)), relation=r) for (a, b), r in product(pairs, RELATIONS)]
    both = [*product(novel, seen), *product(seen, novel)] if withheld else permutations(seen, 2)
    return [Requirement((a, b)) for a, b in both if a.colour != b.colour and a.shape != b.shape]


def _meaning(r: Requirement) -> tuple:
    """The same for two requirements that ask the same thing in another order."""
    names = [(w.shape, w.colour) for w in r.solids]
    if r.relation and names[0] > names[1]:
        return (tuple(names[::-1]), r.count, OPPOSITE[r.relation])
    return (tuple(names if r.relation else sorted(names, key=repr)), r.count, r.relation)


def _shuffled(n: int, name: str) -> Sequence[int]:
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key)).permutation(n).tolist()
