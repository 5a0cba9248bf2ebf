"""One setting of guidance, measured: the same prompts from the same noise, once for each seed, before all judges.

Alignment is the share of right pictures by category; distances are to training renders that the same prompts describe
(`matched`); diversity is recall, and the spread among pictures of one prompt against that of real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from experiments.data.prompts import CATEGORIES, Prompt, prompts
from experiments.metrics import diversity, matched
from experiments.metrics.alignment import check
from experiments.metrics.checker import detect
from experiments.metrics.frechet import fid, fid_bootstrap, reference
from experiments.metrics.kernel import kid, kid_bootstrap
from experiments.metrics.table import Judges, Seen, judges, see

Draw = Callable[[Sequence[Prompt], int], tuple[Tensor, int]]  # (prompts, seed) to pictures, and denoiser evaluations of each


def wishes(per_category: int) -> list[Prompt]:
    """Test prompts, `per_category` of each category."""
    return [p for category in CATEGORIES for p in prompts("test", category, per_category)]


@lru_cache(maxsize=1)
def by() -> Judges:
    return judges()


@lru_cache(maxsize=2)
def real(per_category: int, seeds: tuple[int, ...]) -> tuple[Tensor, float]:
    """Features [seeds,prompts,D] of real pictures for the same prompts, and their mean saturation."""
    wanted = wishes(per_category)
    shown = [matched.pictures(wanted, seed) for seed in seeds]
    features = torch.stack([see(pictures, [p.text for p in wanted], by()).features for pictures in shown])
    return features, float(diversity.saturation(torch.cat(shown)).mean())


def measure(draw: Draw, per_category: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Everything about one setting as plain values: estimates over all pictures, and one number for each seed."""
    wanted, (true, saturated) = wishes(per_category), real(per_category, seeds)
    drawn = [draw(wanted, seed) for seed in seeds]
    seen = [see(pictures, [p.text for p in wanted], by()) for pictures, _ in drawn]
    found = [detect(pictures) for pictures, _ in drawn]
    right = [[check(p.wanted, solids).ok for p, solids in zip(wanted, row)] for row in found]
    everything = torch.cat([pictures for pictures, _ in drawn])
    return {
        "asked": drawn[0][1],
        "right": ["".join("01"[ok] for ok in row) for row in right],  # prompts in the order of `wishes`
        "gray by seed": [sum(any(solid.colour == "gray" for solid in solids) for solids in row) for row in found],  # pictures
        "saturation": round(float(diversity.saturation(everything).mean()), 5),
        "saturation of real": round(saturated, 5),
        "clipped": round(float(diversity.clipped(everything).mean()), 5),
        **distances(seen, true),
    }


def distances(seen: Sequence[Seen], true: Tensor) -> dict[str, Any]:
    """FID, KID and CLIP score over all pictures with intervals and by seed, precision, recall and spread within a prompt."""
    drawn = torch.stack([one.features for one in seen])
    flat, against = drawn.flatten(0, 1), true.flatten(0, 1)
    covered = [diversity.precision_recall(a, b) for a, b in zip(drawn, true)]
    within, within_real = diversity.spread(drawn), diversity.spread(true)
    return {
        "FID": _plain(fid_bootstrap(flat, reference(against), 100)),
        "FID by seed": [round(fid(a, reference(b)), 5) for a, b in zip(drawn, true)],
        "KID": _plain(kid_bootstrap(flat, against, 200)),
        "KID by seed": [round(kid(a, b), 6) for a, b in zip(drawn, true)],
        "CLIP by seed": [round(float(one.clip.mean()), 4) for one in seen],
        "precision by seed": [round(c.precision, 4) for c in covered],
        "recall by seed": [round(c.recall, 4) for c in covered],
        "spread by prompt": [round(float(v), 4) for v in within],
        "spread of real": round(float(within_real.mean()), 4),
    }


def _plain(estimate: Any) -> dict[str, Any]:
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in estimate._asdict().items()}
