"""Rows of the table from records: nothing is lost, and nothing says more than its source."""

import pytest
import torch

from experiments.metrics import judged, overview
from experiments.metrics.listing import HERE, LECTURE, PUBLISHED
from experiments.metrics.published import LECTURE as SLIDE
from experiments.metrics.published import PUBLISHED as FIGURES
from experiments.metrics.table import Seen

KEPT = {
    "cold": 2.0, "calls": [[1.0, 0.8], [0.6, 0.9]], "batches": {"2": [0.7, 0.6, 0.8, 2], "8": [0.5, 0.4, 0.6, 2]}, "memory": {"1": 300.0, "8": 500.0},
    "parameters": {"unet": 3_000_000, "vae": 1_000_000}, "flops": 5 * 10**9,
    "cmmd": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 100, "interval": "95%"},
}  # fmt: skip
PANEL = judged.Panel(None, None, None, None, {"checker": "ab", "clip-eval": "cd"})


def test_the_lectures_rows_are_as_printed():
    rows = overview.lecture_rows()
    assert [row.model for row in rows] == [r.model for r in SLIDE] and {row.who for row in rows} == {LECTURE}
    assert rows[0].cells["FID"].value == 156.48 and rows[0].cells["FID"].low is None


def test_every_published_figure_has_its_cell_with_a_citation():
    rows = overview.published_rows()
    assert all(row.who == PUBLISHED and row.source for row in rows)
    held = {(row.model, name, cell.value) for row in rows for name, cell in row.cells.items()}
    assert {(f.model, overview.NAMES.get(f.metric, f.metric), f.value) for f in FIGURES} <= held
    fifteen = next(row for row in rows if row.model == "SD1.5, 25 steps")
    assert set(fifteen.cells) == {"FID", "CLIP score"} and "n = 5,000" in fifteen.note


def test_the_cost_of_a_miniature_is_read_from_its_record():
    cells = overview.member_cells(KEPT, PANEL)
    assert cells["denoised"].value == pytest.approx((0.8 + 0.6) / 2)
    assert (cells["best batch"].value, cells["at best batch"].value, cells["memory"].value) == (8, 0.5, 300.0)
    assert (cells["parameters"].value, cells["operations"].value) == (4.0, 5.0)
    assert cells["CMMD"].about["sha256"] == "cd" and cells["CMMD"].n == 100
    assert "process" in cells["seconds"].about["clock"]


def test_a_larger_run_gives_quality_with_what_is_behind_each_cell():
    g = torch.Generator().manual_seed(0)
    long = Seen(torch.randn(60, 8, generator=g).double(), torch.rand(60, generator=g).double(), torch.rand(60, generator=g).double())
    found, line = overview.quality(long, torch.randn(80, 8, generator=g).double())
    assert line.estimate == found["FID at unlimited n"]
    cells = overview.quality_cells(found | {"seconds": found["FID"]}, PANEL)
    assert set(cells) == {"FID", "FID at unlimited n", "KID", "CLIP score", "aesthetic"}
    assert cells["FID"].about["sha256"] == "ab" and cells["FID"].about["resize"] and cells["FID"].about["versions"]["torch"]
    assert all(cell.n == 60 for cell in cells.values())


def test_a_miniature_stands_for_the_lectures_model_that_it_mirrors():
    assert overview.mirrors(["mini-sd3", "mini-sd1.5", "checker", "nothing"]) == {"SD3": "mini-sd3", "SD1.5": "mini-sd1.5"}


def test_a_row_joins_what_was_measured_and_says_how_far_it_was_trained():
    scores = {"overall": {"value": 0.4, "low": 0.3, "high": 0.5, "n": 1200, "interval": "95%"}, "psnr": {"value": 30.0}}
    row = overview.miniature_row("mini-sd3", [overview.category_cells(scores), overview.member_cells(KEPT, PANEL)], {"images_seen": 88_000})
    assert row.who == HERE and row.note == "miniature of SD3, 88,000 training images"
    assert row.cells["overall"].n == 1200 and "seconds" in row.cells and "FID" not in row.cells
