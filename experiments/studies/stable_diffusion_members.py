"""What each member of the Stable Diffusion family has learned.

All see the same scenes, captions, prompts and noises, so members compare pair by pair. Their denoisers are kept in 8 bits
(`training.narrow`), but that of mini-sd1.5, on which much else is built, in 16: it is also measured with its weights rounded
to 8 bits, which is how it compares with the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from experiments.data.captions import caption
from experiments.data.dataset import scenes
from experiments.data.prompts import CATEGORIES, prompts
from experiments.metrics import denoising
from experiments.metrics.alignment import evaluate
from experiments.metrics.arm_scores import choices
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.study import Study
from experiments.training.narrow import round_

MEMBERS = ("mini-sd1.4", "mini-sd1.5", "mini-sd2.0-base", "mini-sd2.1", "mini-sdxl")
SHIPPED, NARROW = "as it ships", "in 8 bits"
SEEDS, PROMPTS, SCENES, OFFERED = (0, 1, 2), 28, 300, 150
ASKED = ("colours", "position", "colour attribution")
FULLEST = 3  # the style of caption that names most
MADE_BY = (
    "experiments.metrics.denoising",
    "experiments.metrics.alignment",
    "experiments.metrics.arm_scores",
    "experiments.sampling.generate",
    "experiments.training.narrow",
)


def parts(name: str) -> Iterator[tuple[str, str]]:
    """Kind of measurement, and how the denoiser is kept."""
    for kept in (SHIPPED, NARROW) if name == "mini-sd1.5" else (SHIPPED,):
        yield "told", kept
        yield "drawn", kept


def measure(name: str, kind: str, kept: str) -> dict[str, Any]:
    """`told`: errors of x0 by time step and right choices by category, one entry a scene. `drawn`: right pictures by
    category, one digit a prompt, for each seed."""
    pipe = zoo.load(name)
    if kept == NARROW:
        round_(pipe.unet)
    return {"told": _told, "drawn": partial(_drawn, **zoo.defaults(name))}[kind](pipe)


def _told(pipe: Any) -> dict[str, Any]:
    texts = [caption(s, "en", FULLEST) for s in scenes("validation", 0, SCENES)]
    found = denoising.errors(pipe, denoising.encoded(pipe, "validation", range(SCENES)), texts)
    right = {}
    for category in ASKED:
        offered = choices(category, OFFERED)
        codes = denoising.encoded(pipe, "validation", [c.scene for c in offered])
        right[category] = digits(denoising.choices(pipe, codes, [c.true for c in offered], [c.false for c in offered]))
    return {"errors": {str(t): [round(float(e), 5) for e in row] for t, row in found.items()}, "chosen": right}


def _drawn(pipe: Any, **call: Any) -> dict[str, Any]:
    wanted = [p for category in CATEGORIES for p in prompts("test", category, PROMPTS)]
    pipe.set_progress_bar_config(disable=True)
    rows = {}
    for seed in SEEDS:
        verdicts = evaluate(wanted, generate(pipe, wanted, seed, **call))
        rows[str(seed)] = {c: digits(v.ok for p, v in zip(wanted, verdicts) if p.category == c) for c in CATEGORIES}
    return rows


def digits(right: Any) -> str:
    """ "0110" of truth values, and `truths` back."""
    return "".join("01"[bool(one)] for one in right)


def truths(text: str) -> list[bool]:
    return [digit == "1" for digit in text]


STUDIES = tuple(
    Study(
        f"stable-diffusion-{name}",
        parts=partial(parts, name),
        measure=partial(measure, name),
        made_by=MADE_BY,
        needs=(name, "checker"),
        settings=dict(seeds=SEEDS, prompts=PROMPTS, scenes=SCENES, offered=OFFERED, asked=ASKED, style=FULLEST),
    )
    for name in MEMBERS
)
