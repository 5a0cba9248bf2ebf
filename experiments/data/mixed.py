"""Prompts in any of the languages of `languages`, and in two of them at once."""

from __future__ import annotations

from dataclasses import replace

from experiments.data.captions import conjoin, describe
from experiments.data.languages import LANGUAGES
from experiments.data.prompts import Prompt, Requirement, Wanted, prompts, text
from experiments.data.scenes import Solid

MIXED = "en+zh"
SPOKEN = (*LANGUAGES, MIXED)


def said(wanted: Requirement, spoken: str) -> str:
    """A requirement in one of SPOKEN. Mixed: several solids by turns in English and Chinese, one solid in Chinese with an English noun."""
    if spoken != MIXED:
        return text(wanted, spoken)
    if wanted.relation or wanted.count:
        raise ValueError(f"{text(wanted)!r} has no mixed wording: ask for solids with neither number nor relation")
    if len(wanted.solids) == 1:
        chinese = text(wanted, "zh")
        return chinese.replace(LANGUAGES["zh"].plain.shapes[wanted.solids[0].shape], f" {wanted.solids[0].shape}")
    return conjoin([_phrase(w, ("en", "zh")[k % 2]) for k, w in enumerate(wanted.solids)], "zh").replace("和", " 和 ")


def asked(split: str, category: str, n: int, spoken: str) -> list[Prompt]:
    """`prompts.prompts` in one of SPOKEN: the same wishes with the same ids, so that they begin from the same noise in every language."""
    return [replace(p, text=said(p.wanted, spoken), language=spoken) for p in prompts(split, category, n)]


def _phrase(w: Wanted, language: str) -> str:
    solid = Solid(w.shape or "cube", w.colour or "gray", w.size or "small", w.material or "rubber", 0.0, 0.0, 0.0)
    return describe(solid, language, [a for a in ("size", "colour", "material") if getattr(w, a)])
