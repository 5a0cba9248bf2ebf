"""The evaluation chapter's files for a staged book: a small table of invented numbers, and a grid of plain tiles."""

from __future__ import annotations

import json
from pathlib import Path

import mini_book
import torch

from experiments.metrics import grid, listing
from experiments.metrics.listing import HERE, LECTURE, PUBLISHED, Cell, Row

CHAPTER = "09-evaluation"
ROWS = [
    Row("SD1.5", LECTURE, {"FID": Cell(156.48), "seconds": Cell(1.05)}, note="no n stated"),
    Row("SD1.5", PUBLISHED, {"FID": Cell(20.1, n=5000)}, "wang2024rectified", "MS-COCO, n = 5,000"),
    Row("mini-sd1.5", HERE, {"FID": Cell(0.07, 0.06, 0.08, 1000), "overall": Cell(0.4, 0.3, 0.5, 1200), "seconds": Cell(0.5)}, weights="ab" * 32),
    Row("mini-sd3", HERE, {"FID": Cell(0.25, 0.2, 0.3, 1000)}, weights="cd" * 32),
    Row("renders", HERE, {"overall": Cell(1.0, 0.99, 1.0, 1200)}, note="no model"),
]


def write(folder: Path) -> None:
    """Record, table and grid of the chapter into the staged book `folder`."""
    results = folder / "book" / "results" / CHAPTER
    results.mkdir(parents=True)
    (results / "record.json").write_text(json.dumps(mini_book.record(name=CHAPTER, claims={}, figures={}, tables={}, metrics={})))
    listing.save(ROWS, results, {"n": 1000})
    tiles = {name: torch.full((2, 3, 64, 64), 40 * k + 40, dtype=torch.uint8) for k, name in enumerate(("mini-sd1.5", "mini-sd3"))}
    grid.save(tiles, ["a red cube", "two <blue> spheres"], {"mini-sd3": ["right", "wrong count"]}, results)
