"""Rows of the table from what is already known: the lecture's, the published ones, and each miniature's recorded runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from experiments.metrics import published, published_order
from experiments.metrics.cost import Runtime
from experiments.metrics.frechet import Extrapolation, fid_infinity, reference
from experiments.metrics.intervals import Estimate
from experiments.metrics.judged import Panel, about
from experiments.metrics.listing import COLUMNS, HERE, LECTURE, PUBLISHED, Cell, Row
from experiments.metrics.scored import Cost, cost_cells
from experiments.metrics.table import Seen, row
from experiments.models import cards, systems
from experiments.models.recipes import RECIPES

NAMES = {"overall accuracy": "overall"}  # a published metric's name where the table has another
JUDGES = {"FID": "checker", "FID at unlimited n": "checker", "KID": "checker", "CMMD": "clip-eval", "CLIP score": "clip-eval",
          "aesthetic": "aesthetic-proxy"}
CLOCK = "seconds that the process computed, one thread"


def lecture_rows() -> list[Row]:
    """The lecture's own table."""
    return [
        Row(model, LECTURE, {"FID": Cell(fid), "CLIP score": Cell(clip), "aesthetic": Cell(liked), "seconds": Cell(took)}, note="no n stated")
        for model, fid, clip, liked, took in published.LECTURE
    ]


def published_rows() -> list[Row]:
    """What others published, a row for each model, source and set of pictures."""
    found: dict[tuple, dict[str, Cell]] = {}
    for each in dict.fromkeys((*published.PUBLISHED, *published_order.ORDERED)):
        name = NAMES.get(each.metric, each.metric)
        key = each.model, each.source, each.pictures, each.n
        found.setdefault(key, {})[name] = Cell(each.value, n=each.n, about={"pictures": each.pictures})
    return [Row(model, PUBLISHED, cells, source, f"{pictures}{f', n = {n:,}' if n else ''}") for (model, source, pictures, n), cells in found.items()]


def lecture_name(name: str) -> str:
    """The lecture's name of the model that a miniature mirrors; empty where its table has none."""
    mirrored = cards.mirrored(RECIPES[name].mirrors) if name in RECIPES else None
    return next((row.lecture for row in systems.ROWS if mirrored and row.card == mirrored), "")


def mirrors(names: Iterable[str]) -> dict[str, str]:
    """The lecture's models that have a miniature among `names`: {lecture's name: miniature}, the first of each."""
    found: dict[str, str] = {}
    for name in names:
        if lecture_name(name):
            found.setdefault(lecture_name(name), name)
    return found


def quality(long: Seen, real: Tensor, seed: int = 0) -> tuple[dict[str, Estimate], Extrapolation | None]:
    """Metrics of a recorded larger run against as many renders [N,D]; and its line in 1/n, None where pictures are too few."""
    found = row(long, real[: long.n], seed)
    try:
        line = fid_infinity(long.features, reference(real[: long.n]), seed=seed)
    except ValueError:
        return found, None
    return found | {"FID at unlimited n": line.estimate}, line


def quality_cells(found: Mapping[str, Estimate], by: Panel) -> dict[str, Cell]:
    """Metrics of scenes as cells that say what is behind them; those that are no columns of quality are left out."""
    return {name: Cell.of(value, **about(by.hashes, JUDGES[name], "scenes")) for name, value in found.items() if name in JUDGES}


def member_cells(kept: Mapping[str, Any], by: Panel) -> dict[str, Cell]:
    """Cost and CMMD of a miniature, from its recorded run."""
    spent = spent_by(kept)
    cmmd = {} if kept["cmmd"] is None else {"CMMD": Cell.of(Estimate(**kept["cmmd"]), **about(by.hashes, JUDGES["CMMD"], "scenes"))}
    return cmmd | cost_cells(spent, CLOCK)


def spent_by(kept: Mapping[str, Any]) -> Cost:
    """The recorded cost of a miniature; memory is that of one picture alone."""
    batches = {int(size): Estimate(*found, f"quartiles of {found[3]} calls of batch {size}") for size, found in kept["batches"].items()}
    return Cost(Runtime(kept["cold"], tuple(map(tuple, kept["calls"]))), batches, kept["memory"]["1"], kept["parameters"], kept["flops"])


def category_cells(scores: Mapping[str, Any]) -> dict[str, Cell]:
    """The six categories and overall, from a training record's scores."""
    names = {column.name for column in COLUMNS}
    judged = {name: e for name, e in scores.items() if name in names and set(e) >= set(Estimate._fields)}
    found = {name: Estimate(*(e[part] for part in Estimate._fields)) for name, e in judged.items()}
    return {name: Cell.of(e, judge="checker", prompts="test, of the training record") for name, e in found.items()}


def miniature_row(name: str, parts: Iterable[Mapping[str, Cell]], record: Mapping[str, Any] | None, weights: str = "") -> Row:
    """A miniature's row from whatever was measured of it; the note says what it mirrors and how far it was trained."""
    cells: dict[str, Cell] = {}
    for part in parts:
        cells |= part
    said = f"miniature of {lecture_name(name)}" if lecture_name(name) else "miniature"
    if record and record.get("images_seen"):
        said += f", {record['images_seen']:,} training images"
    return Row(name, HERE, cells, note=said, weights=weights)
