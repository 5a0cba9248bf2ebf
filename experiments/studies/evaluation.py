"""The table's columns that take a process each: cost and CMMD of every shipped miniature, and its pictures for the grid."""

from __future__ import annotations

from typing import Any

from experiments.metrics.member import SETTINGS, apart, weights
from experiments.models import zoo
from experiments.studies.study import Study, recorded


def parts() -> list[tuple[str]]:
    """Every shipped miniature."""
    return [(name,) for name in zoo.shipped()]


TABLE = Study(
    name="evaluation-table",
    parts=parts,
    measure=apart,
    made_by=("experiments.metrics.member",),
    needs=("checker", "clip-eval"),
    settings=SETTINGS,
)
STUDIES = (TABLE,)


def members() -> dict[str, dict[str, Any]]:
    """What was measured of each miniature whose weights and settings are still those that were measured."""
    found = recorded(TABLE)
    return {name: found[(name,)] for name in zoo.shipped() if found.get((name,), {}).get("weights") == weights(name)}
