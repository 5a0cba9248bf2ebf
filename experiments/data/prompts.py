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

from dataclasses import dataclass


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
    """One text to draw. `id` names it for ever ("test/colours/007"): noise is seeded from (id, seed)."""

    id: str
    category: str
    text: str
    wanted: Requirement
    language: str = "en"
