"""`{evaluation-table}` and `{evaluation-grid}`: the evaluation chapter's table and its pictures, from the files that it leaves."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from evidence import files, line, tables, wording
from evidence.base import EvidenceDirective

CHAPTER = "09-evaluation"
EXPORTS = (("JSON", "evaluation.json"), ("CSV", "evaluation.csv"), ("LaTeX", "evaluation.tex"))
GRID = ("grid.png", "grid.json")
SORTABLE = "evidence-sortable"
HERE = "measured here"


class Evaluation(EvidenceDirective):
    """What both directives share: the chapter's folder of results, and words where it is missing."""

    def read(self, file: str) -> dict[str, Any] | None:
        """A JSON file of the chapter; None where the chapter has not been run."""
        path = self.library.results / CHAPTER / file
        self.reads(CHAPTER)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def missing(self) -> list[nodes.Node]:
        return [nodes.paragraph("", wording.NOT_MEASURED, classes=["not-measured"])]

    def evidence(self, *more: nodes.Node) -> nodes.paragraph:
        return line.line(self.env, CHAPTER, self.library.records[CHAPTER], *more)


class EvaluationTable(Evaluation):
    """The columns of one group (quality, categories or cost) for every row that has one of them, or is a model of this report."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        told = self.read("evaluation.json")
        if told is None or CHAPTER not in self.library.records:
            return self.missing()
        columns = told["columns"][self.arguments[0]]
        rows = [row for row in told["rows"] if row["who"] == HERE and row["weights"] or any(c["name"] in row["cells"] for c in columns)]
        head = [tables.cell([nodes.Text(text)], k > 1) for k, text in enumerate(heads(columns))]
        table = tables.grid(head, [self._row(row, columns) for row in rows])
        table.insert(0, nodes.title("", "", *self.inline(caption(columns))))
        links = [files.link(self.env, text, files.table_uri(CHAPTER, file), "evidence-csv") for text, file in EXPORTS]
        return [nodes.container("", table, self.evidence(*links), classes=["evidence-table", "full-width", SORTABLE])]

    def _row(self, row: dict[str, Any], columns: list[dict[str, Any]]) -> list[nodes.entry]:
        source = f"{{cite:t}}`{row['source']}`" if row["source"] else row["who"]
        said = "; ".join(text for text in (source, row["note"]) if text)
        model = tables.cell([nodes.Text(row["model"])], False, row["model"])
        who = tables.cell(self.inline(said), False, said)
        return [model, who, *(tables.cell(tables.apart(text), True, text) for text in (shown(row, column) for column in columns))]


def heads(columns: list[dict[str, Any]]) -> list[str]:
    """Names of the columns with unit and direction."""
    arrows = {"lower": " ↓", "higher": " ↑", "": ""}
    units = [f" ({column['unit']})" if column["unit"] else "" for column in columns]
    return ["model", "who says so", *(column["name"] + unit + arrows[column["better"]] for column, unit in zip(columns, units, strict=True))]


def caption(columns: list[dict[str, Any]]) -> str:
    names = ", ".join(column["name"] for column in columns)
    return f"{names}. ↓ lower is better, ↑ higher. Brackets: the cell's interval; n, judge, filter and hashes stand in the JSON."


def shown(row: dict[str, Any], column: dict[str, Any]) -> str:
    """A cell as it is printed: what others published with all its digits, what has an interval with three."""
    found = row["cells"].get(column["name"])
    if found is None:
        return wording.NOT_MEASURED
    if found["low"] is None or found["high"] is None:
        return f"{found['value']:{column['spec']}}"
    spec = column["spec"].replace(".4g", ".3g")
    return f"{found['value']:{spec}} ({found['low']:{spec}} to {found['high']:{spec}})"


class EvaluationGrid(Evaluation):
    """Every prompt of the grid with the picture of each model: one fold per prompt, so that no script is needed."""

    def run(self) -> list[nodes.Node]:
        told = self.read("grid.json")
        if told is None or CHAPTER not in self.library.records:
            return self.missing()
        up = "../" * self.env.docname.count("/")
        folds = [fold(told, k, f"{up}{files.table_uri(CHAPTER, GRID[0])}") for k in range(len(told["prompts"]))]
        return [nodes.raw("", "\n".join(folds), format="html"), nodes.container("", self.evidence(), classes=["evidence-table"])]


def fold(told: dict[str, Any], k: int, uri: str) -> str:
    """The HTML of prompt k: its text, and under it the pictures cut from the one file."""
    wide, high = len(told["models"]), len(told["prompts"])
    cells = []
    for column, name in enumerate(told["models"]):
        said, prompt = told["said"][name][k], told["prompts"][k]
        at = f"--grid-x: {column}; --grid-y: {k}; --grid-wide: {wide}; --grid-high: {high}; background-image: url('{uri}')"
        label = html.escape(f"{name}: {prompt}" + (f" ({said})" if said else ""), quote=True)
        words = f"<span>{html.escape(said)}</span>" if said else ""
        cells.append(f'<li><span class="grid-tile" role="img" aria-label="{label}" style="{at}"></span><b>{html.escape(name)}</b>{words}</li>')
    head, opened = html.escape(told["prompts"][k]), " open" if k == 0 else ""
    return f'<details class="evidence-grid"{opened}><summary>{head}</summary><ul>{"".join(cells)}</ul></details>'


def copy(app: Sphinx, failure: Exception | None) -> None:
    """Copy into the site the files that this module's links name."""
    if failure or app.builder.format != "html":
        return
    for name in (*(file for _, file in EXPORTS), *GRID):
        source, target = app.evidence.results / CHAPTER / name, Path(app.outdir) / files.table_uri(CHAPTER, name)
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
