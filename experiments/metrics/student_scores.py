"""Scores that the record of a student of guidance holds: fewer pictures than a model of its own gets, for a study compares it."""

from __future__ import annotations

from typing import Any

from experiments.metrics.intervals import Estimate
from experiments.metrics.scores import alignment

ON_THE_WAY, AT_THE_END = 5, 40  # prompts of each category


def scores(pipe: Any, thorough: bool) -> dict[str, Estimate]:
    """Both stages at four steps and guidance 4, so that their records can be compared."""
    call = dict(num_inference_steps=4, guidance_scale=4.0)
    return alignment(pipe, "test" if thorough else "tune", AT_THE_END if thorough else ON_THE_WAY, **call)
