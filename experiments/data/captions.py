"""Captions: what a scene shows, in five wordings and three languages.

A caption is a function of (scene, language, style) alone. It names every solid of the scene and nothing else, and it
states a relation only where `Scene.related` holds, so it is true whoever reads it.

    style  what it says                       two solids, in English
    0      all attributes and a relation      a large red metal cube to the left of a small blue rubber sphere
    1      a counted list, other words        two solids: a tiny matte blue ball, a big shiny red block.
    2      colour and shape                   a red cube and a blue sphere
    3      the floor, then who stands where   on a sand floor, a tiny matte blue ball stands right of a big ...
    4      shapes, counts or a bare relation  a cube and a sphere / a cube to the left of a sphere / two cubes

The evaluation prompts (`prompts`) use the wordings of styles 2 and 4. Scenes with three or four solids leave out
material, then size, in the relational styles, so that an English caption never exceeds `LONGEST` words and marks.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import fields

from experiments.data.languages import LANGUAGES, Language, Register
from experiments.data.scenes import Scene, Solid

STYLES = 5
LONGEST = 38  # words and punctuation marks of the longest English caption
ATTRIBUTES = ("size", "colour", "material", "shape")


def caption(scene: Scene, language: str = "en", style: int = 0) -> str:
    """The caption of `scene` in one of `LANGUAGES` and one of five styles (see the table above).

    Raises ValueError for an unknown language or style, naming the known ones.
    """
    speech = _language(language)
    if style not in range(STYLES):
        raise ValueError(f"style {style!r} is not one of 0 to {STYLES - 1}")
    return (_full, _listed, _short, _standing, _terse)[style](scene, speech)


def describe(
    solid: Solid, language: str = "en", attributes: Iterable[str] = ATTRIBUTES, *, casual: bool = False
) -> str:
    """One solid as a noun phrase with the given attributes: "a large red metal cube". The shape is always named."""
    speech = _language(language)
    return _phrase(speech.casual if casual else speech.plain, [solid], attributes)


def count(solids: Sequence[Solid], language: str = "en", attributes: Iterable[str] = ("shape",)) -> str:
    """Several solids of one kind as a phrase with their number: "three cylinders", "two red cubes"."""
    return _phrase(_language(language).plain, solids, attributes)


def conjoin(phrases: Sequence[str], language: str = "en") -> str:
    """Phrases joined as "a, b and c"."""
    return _join(phrases, _language(language))


def relate(first: str, relation: str, second: str, language: str = "en") -> str:
    """Two phrases and one of `RELATIONS` between them: "a cube to the left of a sphere"."""
    register = _language(language).plain
    return register.relation.format(a=first, r=register.relations[relation], b=second)


def words(text: str, language: str = "en") -> list[str]:
    """Words and punctuation marks of a caption; Chinese, written without spaces, is cut into characters."""
    return re.findall(r"\S" if language == "zh" else r"\w+|[^\w\s]", text)


def vocabulary(language: str = "en") -> set[str]:
    """Every word (in Chinese every character) and mark that a caption in this language may hold."""
    return {w for text in _strings(_language(language)) for w in words(re.sub(r"\{\w+\}", " ", text), language)}


def _language(language: str) -> Language:
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not one of {', '.join(LANGUAGES)}")
    return LANGUAGES[language]


def _strings(node) -> Iterable[str]:
    """All text in a language, register, table or tuple of them."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (Language, Register)):
        for member in fields(node):
            yield from _strings(getattr(node, member.name))
    else:
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)


def _phrase(register: Register, solids: Sequence[Solid], attributes: Iterable[str]) -> str:
    """`len(solids)` solids alike in `attributes` as one phrase."""
    solid, named = solids[0], set(attributes)
    if unknown := named - set(ATTRIBUTES):
        raise ValueError(f"attributes {', '.join(sorted(unknown))} are not among {', '.join(ATTRIBUTES)}")
    nouns = register.shapes if len(solids) == 1 else register.shapes | register.plurals
    text = register.solid.format(
        n=register.numbers[len(solids) - 1],
        classifier=register.classifiers.get(solid.shape, ""),
        shape=nouns[solid.shape],
        size=register.sizes[solid.size] if "size" in named else "",
        colour=register.colours[solid.colour] if "colour" in named else "",
        material=register.materials[solid.material] if "material" in named else "",
    )
    return " ".join(text.split())


def _join(phrases: Sequence[str], speech: Language) -> str:
    return speech.last.join(filter(None, (speech.pause.join(phrases[:-1]), phrases[-1])))


def _group(solids: Sequence[Solid], *attributes: str) -> list[list[Solid]]:
    """Solids alike in `attributes` together, in order of first appearance."""
    groups: dict[tuple, list[Solid]] = {}
    for s in solids:
        groups.setdefault(tuple(getattr(s, a) for a in attributes), []).append(s)
    return list(groups.values())


def _relation(scene: Scene, first: int, second: int) -> str | None:
    """The clearest relation that may be stated: along the axis on which the two are further apart."""
    a, b = scene.solids[first], scene.solids[second]
    sideways = abs(a.x - b.x) >= abs(a.y - b.y)
    stated = scene.related(first, second)
    return min(stated, key=lambda r: (r in ("left", "right")) != sideways, default=None)


def _chain(scene: Scene, order: Sequence[int], register: Register, attributes: Sequence[str]) -> str | None:
    """Each solid related to the next; None where some neighbours have no relation clear enough to be stated."""
    phrases = [_phrase(register, [scene.solids[i]], attributes) for i in order]
    relations = [_relation(scene, i, j) for i, j in zip(order, order[1:])]
    if None in relations or not relations:
        return None
    text = phrases[0]
    for k, relation in enumerate(relations):
        noun = register.shapes[scene.solids[order[k]].shape]
        pattern = register.further if k else register.relation
        text = pattern.format(a=text, r=register.relations[relation], b=phrases[k + 1], noun=noun)
    return text


def _full(scene: Scene, speech: Language) -> str:
    attributes = ATTRIBUTES if len(scene.solids) < 3 else ("size", "colour", "shape")
    chain = _chain(scene, range(len(scene.solids)), speech.plain, attributes)
    return chain or _join([_phrase(speech.plain, [s], attributes) for s in scene.solids], speech)


def _listed(scene: Scene, speech: Language) -> str:
    phrases = [_phrase(speech.casual, [s], ATTRIBUTES) for s in reversed(scene.solids)]
    return speech.listing.format(t=speech.totals[len(phrases) - 1], s=speech.comma.join(phrases))


def _short(scene: Scene, speech: Language) -> str:
    groups = _group(scene.solids, "colour", "shape")
    return _join([_phrase(speech.plain, g, ("colour", "shape")) for g in groups], speech)


def _standing(scene: Scene, speech: Language) -> str:
    n = len(scene.solids)
    attributes = ATTRIBUTES if n < 3 else ("size", "colour", "shape")[n - 3 :]
    floor = speech.floors[scene.floor]
    if chain := _chain(scene, range(n)[::-1], speech.casual, attributes):
        return speech.standing.format(f=floor, s=chain)
    solids = _join([_phrase(speech.casual, [s], attributes) for s in scene.solids], speech)
    return speech.lying.format(f=floor, s=solids)


def _terse(scene: Scene, speech: Language) -> str:
    groups = _group(scene.solids, "shape")
    if len(scene.solids) == len(groups) == 2 and _coin(scene):
        if chain := _chain(scene, (0, 1), speech.plain, ("shape",)):
            return chain
    coloured = len(groups) < len(scene.solids)  # "three cylinders and a gray cone"
    return _join([_phrase(speech.plain, g, ("colour",) if coloured and len(g) == 1 else ()) for g in groups], speech)


def _coin(scene: Scene) -> bool:
    """A fair coin that depends on the scene alone, the same on every machine."""
    return bool(zlib.crc32(repr([(round(s.x, 6), round(s.y, 6)) for s in scene.solids]).encode()) & 1)
