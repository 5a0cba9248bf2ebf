"""Attribute accuracy in GenEval's six categories (Ghosh et al. 2023, arXiv:2310.11513): does a picture show what was
asked, and if not, what is wrong with it?

`check` compares a requirement (data.prompts) with what is there: detections of a picture, or the solids of a scene, in
which case it tells the truth. A requirement is about what must be there; more does no harm, except to a count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
from torch import Tensor

from experiments.data.prompts import CATEGORIES, Prompt, Requirement, Wanted
from experiments.data.scenes import MARGIN
from experiments.metrics.checker import Checker, Detection, detect
from experiments.metrics.intervals import LEVEL, Estimate, wilson

CLEAR = MARGIN / 2  # tiles: prompts are about distances above MARGIN, and places are read to within 0.1
FAULTS = ("missing", "wrong attribute", "swapped attributes", "wrong count", "wrong relation")
_AXES = {"left": ("x", -1), "right": ("x", 1), "in front": ("y", -1), "behind": ("y", 1)}
_WORDS = {"left": "left of", "right": "right of", "in front": "in front of", "behind": "behind"}
_BOUND = ("colour", "size", "material", "shape")


class Verdict(NamedTuple):
    """Whether a picture shows what was required; if not, which of FAULTS it has and a sentence saying so."""

    ok: bool
    reason: str
    fault: str | None = None


def check(requirement: Requirement, found: Sequence[Detection]) -> Verdict:
    """Judge what was `found` (detections, or the solids of a scene: anything with a solid's attributes, x and y)."""
    if requirement.count is not None:
        return _counted(requirement.solids[0], requirement.count, found)
    if not _matches(requirement.solids, found):
        return _missing(requirement.solids, found)
    if requirement.relation is not None:
        return _related(requirement, found)
    return Verdict(True, f"found {_list(requirement.solids)}")


def _counted(wanted: Wanted, count: int, found: Sequence[Detection]) -> Verdict:
    seen = sum(wanted.fits(d) for d in found)
    if seen == count:
        return Verdict(True, f"found {_number(count, wanted)}")
    return Verdict(False, f"expected {_number(count, wanted)}, found {seen}", "wrong count")


def _matches(wanted: Sequence[Wanted], found: Sequence[Detection]) -> bool:
    """Whether each wanted solid has a different one that fits it."""
    return any(all(w.fits(d) for w, d in zip(wanted, chosen)) for chosen in permutations(found, len(wanted)))


def _missing(wanted: Sequence[Wanted], found: Sequence[Detection]) -> Verdict:
    """Why the wanted solids cannot all be matched: attributes swapped between two, or a wrong one, or nothing alike."""
    for name in _BOUND:
        if any(_matches(other, found) for other in _swaps(wanted, name)):
            reason = f"swapped {name}s: expected {_list(wanted)}, found {_list(found)}"
            return Verdict(False, reason, "swapped attributes")
    for w in wanted:
        needed = sum(v == w for v in wanted)
        fitting = [d for d in found if w.fits(d)]
        if len(fitting) >= needed:
            continue
        alike = [d for d in found if d.shape == w.shape and d not in fitting]
        if alike and not fitting:
            return Verdict(False, f"no {_name(w)}: found {_list(alike, w)} instead", "wrong attribute")
        if fitting:
            return Verdict(False, f"expected {_number(needed, w)}, found {len(fitting)}", "missing")
        return Verdict(False, f"no {_name(w)}: found {_list(found) or 'nothing'}", "missing")
    return Verdict(False, f"one solid cannot be both: expected {_list(wanted)}, found {_list(found)}", "missing")


def _swaps(wanted: Sequence[Wanted], name: str) -> Iterable[list[Wanted]]:
    """The wanted solids with the attribute exchanged between two of them that differ in it, and in another too."""
    for i, j in combinations(range(len(wanted)), 2):
        a, b = getattr(wanted[i], name), getattr(wanted[j], name)
        other = list(wanted)
        other[i], other[j] = replace(wanted[i], **{name: b}), replace(wanted[j], **{name: a})
        if None not in (a, b) and a != b and Counter(other) != Counter(wanted):
            yield other


def _related(requirement: Requirement, found: Sequence[Detection]) -> Verdict:
    first, second = requirement.solids
    axis, sign = _AXES[requirement.relation]
    asked = f"{_name(first)} {_WORDS[requirement.relation]} {_name(second)}"
    gaps = [sign * (getattr(a, axis) - getattr(b, axis)) for a in found for b in found
            if a is not b and first.fits(a) and second.fits(b)]
    best = max(gaps)
    if best > CLEAR:
        return Verdict(True, f"found {asked}")
    where = "the other way round" if best < -CLEAR else f"level with each other ({abs(best):.1f} tiles apart)"
    return Verdict(False, f"expected {asked}: they are {where}", "wrong relation")


def _name(solid: Wanted | Detection, like: Wanted | None = None) -> str:
    """"small red cube"; of a detection, only the attributes that `like` asks for."""
    names = [n for n in ("size", "colour", "material") if like is None or getattr(like, n) is not None]
    words = [getattr(solid, n) for n in names]
    return " ".join([w for w in words if w] + [solid.shape or "solid"])


def _number(count: int, wanted: Wanted) -> str:
    return f"{count} {_name(wanted)}{'' if count == 1 else 's'}"


def _list(solids: Sequence[Wanted | Detection], like: Wanted | None = None) -> str:
    return " and ".join(_name(s, like) for s in solids)


def evaluate(prompts: Sequence[Prompt], images: Tensor, checker: Checker | None = None) -> list[Verdict]:
    """Judge one uint8 picture [N,3,64,64] per prompt."""
    if len(prompts) != len(images):
        raise ValueError(f"{len(prompts)} prompts for {len(images)} pictures: there must be one picture per prompt")
    return [check(p.wanted, found) for p, found in zip(prompts, detect(images, checker))]


def by_category(prompts: Sequence[Prompt], verdicts: Sequence[Verdict], level: float = LEVEL) -> dict[str, Estimate]:
    """Share of right pictures in each category, with Wilson's interval over pictures."""
    right: dict[str, list[bool]] = {}
    for prompt, verdict in zip(prompts, verdicts, strict=True):
        right.setdefault(prompt.category, []).append(verdict.ok)
    return {name: wilson(sum(right[name]), len(right[name]), level) for name in CATEGORIES if name in right}


def overall(categories: dict[str, Estimate], resamples: int = 4000, seed: int = 0, level: float = LEVEL) -> Estimate:
    """GenEval's overall score, the plain mean of the categories, with a bootstrap within each category."""
    g = np.random.default_rng(seed)
    again = np.mean([g.binomial(e.n, e.value, resamples) / e.n for e in categories.values()], axis=0)
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    value = float(np.mean([e.value for e in categories.values()]))
    return Estimate(value, float(low), float(high), sum(e.n for e in categories.values()),
                    f"{level:.0%} bootstrap within categories, {resamples} resamples")


def faults(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many pictures have each fault."""
    counts = Counter(v.fault for v in verdicts)
    return {name: counts[name] for name in FAULTS}
