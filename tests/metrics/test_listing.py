"""The table as files: the same rows in each, nothing invented for what is missing."""

import csv
import io
import json
import re

import pytest

from experiments.artefacts import ROOT
from experiments.metrics import listing, published_order
from experiments.metrics.intervals import Estimate
from experiments.metrics.listing import HERE, LECTURE, PUBLISHED, Cell, Row
from experiments.metrics.published import LECTURE as SLIDE

ROWS = [
    Row("SD1.5", LECTURE, {"FID": Cell(156.48), "seconds": Cell(1.05)}),
    Row("SD1.5", PUBLISHED, {"FID": Cell(20.1, n=5000)}, source="wang2024rectified"),
    Row("mini_sd1.5", HERE, {"FID": Cell.of(Estimate(0.07, 0.06, 0.08, 1000, "95%"), judge="checker", sha256="ab"), "overall": Cell(0.375)}),
]


def test_json_holds_every_cell_with_what_is_behind_it(tmp_path):
    kept = json.loads(listing.save(ROWS, tmp_path, {"n": 1000}).read_text())
    assert [row["model"] for row in kept["rows"]] == ["SD1.5", "SD1.5", "mini_sd1.5"]
    cell = kept["rows"][2]["cells"]["FID"]
    assert (cell["value"], cell["low"], cell["high"], cell["n"]) == (0.07, 0.06, 0.08, 1000)
    assert cell["about"] == {"judge": "checker", "sha256": "ab"} and kept["about"] == {"n": 1000}
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".csv", ".tex"}


def test_csv_says_not_measured_where_nothing_was():
    head, *lines = csv.reader(io.StringIO(listing.as_csv(ROWS)))
    here = dict(zip(head, lines[2], strict=True))
    assert here["FID"] == "0.07" and here["FID n"] == "1000" and here["overall"] == "0.375"
    assert here["KID"] == here["seconds"] == "not measured" and here["KID low"] == ""


def test_latex_has_a_tabular_for_each_group_and_escapes_names():
    text = listing.as_latex(ROWS)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(listing.GROUPS)
    assert r"mini\_sd1.5" in text and r"\cite{wang2024rectified}" in text
    for block in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end", text, re.DOTALL):
        assert {line.count("&") for line in block[1].splitlines() if "&" in line} == {len(block[0]) - 1}


def test_a_column_that_the_table_lacks_is_an_error():
    with pytest.raises(KeyError, match="no column 'IS'"):
        Row("a", HERE, {"IS": Cell(1.0)})


def test_published_columns_are_of_the_lectures_models_and_cited():
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert {row.source for row in published_order.ORDERED} == set(published_order.SOURCES) <= set(keys)
    assert {row.model for row in published_order.ORDERED} <= {row.model for row in SLIDE}
    assert published_order.column("overall accuracy") == {"SD1.5": 0.43, "SDXL": 0.55, "SD3": 0.62, "FLUX.1": 0.67}
