"""Where a drawn solid has the other solid's colour: faults of the shipped members, and which colour word its region looked at."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from experiments.data.prompts import prompts
from experiments.metrics.alignment import check, faults
from experiments.metrics.checker import Detection, detect
from experiments.metrics.intervals import bootstrap
from experiments.metrics.looks import Looks, place
from experiments.models import zoo
from experiments.sampling.generate import generate
from experiments.studies.study import Study

MODELS = ("mini-sd3", "mini-sd1.5")
N, BATCH, SEED = 64, 16, 0
SIDE = 8  # latent pixels along an edge; a picture has 8 times as many


@lru_cache(maxsize=1)
def _pipe(name: str):
    return zoo.load(name)


def measure(name: str, asked: str) -> dict[str, Any]:
    """Faults of N prompts that ask for two colours; and, for every drawn solid of a shape that was asked for, the share that the
    word of its own colour has in what its region gave to both colour words, by the colour that it got."""
    pipe, wanted = _pipe(name), prompts("test", "colour attribution", N, withheld=asked == "withheld")
    pictures, shares = [], {"its own": [], "the other's": [], "a third": []}
    for i in range(0, N, BATCH):
        group = wanted[i : i + BATCH]
        with Looks(pipe, SIDE**2) as looks:
            pictures.append(generate(pipe, group, SEED, batch=BATCH, **zoo.defaults(name)))
        for prompt, found, words in zip(group, detect(pictures[-1]), looks.words()):
            for kind, share in _regions(pipe.tokenizer, prompt, found, words):
                shares[kind].append(share)
    verdicts = [check(p.wanted, found) for p, found in zip(wanted, detect(torch.cat(pictures)))]
    spread = {kind: [round(v, 5) for v in bootstrap(found)[:3]] if len(found) > 1 else None for kind, found in shares.items()}
    return {"right": sum(v.ok for v in verdicts), "n": N, "faults": faults(verdicts), "share": spread, "regions": {k: len(v) for k, v in shares.items()}}


def _regions(tokenizer, prompt, found: list[Detection], words: torch.Tensor):
    """For each wanted solid whose shape is seen: which colour it got, and its own colour word's share of both words' attention."""
    first, second = prompt.wanted.solids
    for own, other in ((first, second), (second, first)):
        seen = max((d for d in found if d.shape == own.shape), key=lambda d: d.score, default=None)
        if seen is None:
            continue
        kind = "its own" if seen.colour == own.colour else "the other's" if seen.colour == other.colour else "a third"
        column, row = (min(SIDE - 1, max(0, int(v // 8))) for v in (seen.column, seen.row))
        near = words.unflatten(0, (SIDE, SIDE))[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean((0, 1))
        looked = [float(near[place(tokenizer, prompt.text, solid.colour)]) for solid in (own, other)]
        yield kind, float(looked[0] / np.sum(looked))


STUDY = Study(
    "rectified-flow-regions",
    parts=lambda: [(name, asked) for asked in ("seen", "withheld") for name in MODELS],
    measure=measure,
    made_by=("experiments.metrics.looks", "experiments.metrics.alignment", "experiments.sampling.generate", "experiments.studies.rectified_flow_regions"),
    needs=("mini-sd3", "mini-sd1.5", "checker"),
)
STUDIES = (STUDY,)
